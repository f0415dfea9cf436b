/*
 * Gives things made beneath a directory their names so that what had a name before keeps it until its successor is whole:
 * that one is made without a name, or under a temporary one, and takes the name when it is settled.
 */
#ifndef BANGER_SETTLE_H
#define BANGER_SETTLE_H

#include <stdbool.h>

#include "fsops.h"

/* Where one thing is made. Starts as {.dir, .name} and the rest zero; directory and name are the caller's. */
struct settle {
    int dir;
    const char *name;
    bool nameless;           /* an open file in no directory yet */
    char temp[FS_TEMP_NAME]; /* what it is called until it is settled; empty = by its own name */
};

/* Makes something called `name` in `dir`: 0 or more, or -1 with errno; EEXIST when the name is taken. */
typedef int settle_maker(void *ctx, int dir, const char *name);

/*
 * Makes something with `make`, under a temporary name where its own is taken. What `make` gave, or -1 with errno: a
 * directory is never replaced (EISDIR).
 */
int settle_make(struct settle *s, settle_maker *make, void *ctx);

/*
 * Makes a file of mode 0600 and opens it for writing. With `hidden` nothing of it is to be seen before it is settled,
 * also when its name is free, and the filesystem itself removes it should the machine die (where it can: O_TMPFILE).
 */
int settle_file(struct settle *s, bool hidden);

/* What it is called now. */
const char *settle_name(const struct settle *s);

/* It is complete and gets its name; `fd` is the open file, or -1. 0, or -1 with errno and nothing is left of it. */
int settle_done(struct settle *s, int fd);

/* Removes what was made. */
void settle_drop(struct settle *s);

#endif
