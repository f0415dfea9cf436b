/*
 * How a program comes to run: a process in the agent's own memory, until it executes its program. A copy of that memory costs
 * more than all the rest, most of all in a machine that was just restored. Nobody waits for it: a folder or a program on a
 * filesystem that does not answer holds up nobody else.
 */
#ifndef BANGER_LAUNCH_H
#define BANGER_LAUNCH_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "user.h"

enum stage { STAGE_SETUP, STAGE_USER, STAGE_CWD, STAGE_LOOKUP, STAGE_EXEC };

/* What did not work; written to `error`, which is closed without a word when the program runs. */
struct report {
    int stage, err;
};

/* All of it, and what it leads to, must stay as it is until `error` has told how it went. */
struct launch {
    const char *program; /* what is looked up */
    char **argv, **env;  /* NULL terminated */
    const char *path;    /* where, when it is no path itself */
    const char *cwd;
    const struct user *user;
    bool pty;          /* fd[0] becomes the controlling terminal */
    int fd[3], error;  /* the process's 0, 1 and 2, and where it reports to; all of them above 2 */
    struct report failed; /* from here on its own */
    pid_t pid;
    char candidate[PATH_MAX];
    _Alignas(16) char stack[16 * 1024];
};

/* Returns the process's id, -1 with errno when there is none. */
pid_t launch_start(struct launch *l);

#endif
