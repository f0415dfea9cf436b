/* Starts one program: arguments, descriptors, a process (launch.h); an exec that fails is reported exactly. */
#ifndef BANGER_SPAWN_H
#define BANGER_SPAWN_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"
#include "user.h"

struct launch;

/* Must stay as it is until spawn_result has told how it went. */
struct spawn {
    char **argv, **env; /* NULL terminated; argv[0] is what is looked up */
    const char *cwd;    /* must exist */
    const struct user *user;
    bool pty, has_stdin, login;
    uint16_t rows, cols;
};

struct spawned {
    int pid;
    int in;     /* to the program's stdin or pty, -1 if it has none */
    int out[2]; /* from its stdout and stderr; with a pty only the first */
    int error;  /* end of file = the program runs; else spawn_result's input */
    struct launch *launch; /* for spawn_forget, when spawn_result has told how it went */
};

/* 0 or -1. All descriptors are CLOEXEC and non-blocking. */
int spawn_start(const struct spawn *s, struct spawned *out, struct failure *f);

/* Reads `error`: 0 = the program runs, -1 = it failed (`f` says why), 1 = not known yet. */
int spawn_result(int error, const struct spawn *s, struct failure *f);

void spawn_forget(struct launch *l, const struct spawn *s);

#endif
