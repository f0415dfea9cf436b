/*
 * Walks a directory tree of any depth with a bounded number of open files and no recursion. The caller decides at each
 * name whether to enter it. Only the top and the deepest WALK_MAX_OPEN - 1 directories are open; one further up is
 * opened again, at the position where reading stopped, when the walk comes back to it.
 */
#ifndef BANGER_WALK_H
#define BANGER_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WALK_MAX_OPEN 32u

struct walk_level {
    int fd; /* -1: closed for now, or gone */
    bool gone;
    uint8_t *entries; /* what the kernel gave; NULL when closed */
    size_t pos, len;
    int64_t cookie; /* directory offset behind the last name taken */
    size_t path_len;
    dev_t dev;
    ino_t ino;
};

struct walk {
    struct walk_level *levels;
    size_t depth, room;
    char *path; /* of the current directory, relative to the top ("" there), NUL terminated */
    size_t path_room;
    size_t path_max; /* longer paths are ENAMETOOLONG */
};

/* Starts at an open directory, which belongs to the walk from now on (also on failure). 0 or -1 with errno. */
int walk_open(struct walk *w, int fd, size_t path_max);

/* The next name of the current directory, without `.` and `..`. 1 = there is one (valid until the next call),
 * 0 = the directory is exhausted, -1 = errno tells. `type` is DT_*. */
int walk_next(struct walk *w, const char **name, unsigned char *type);

/* Reads the current directory from its start again. */
void walk_rewind(struct walk *w);

/* Goes into `fd`, an open directory called `name` here; the walk owns it (also on failure). 0 or -1 with errno. */
int walk_enter(struct walk *w, const char *name, int fd);

/* Goes up. 1 = done (the current directory may have vanished: see walk_fd), 0 = this was the top, -1 = errno tells. */
int walk_leave(struct walk *w);

/* The current directory, -1 if it vanished or moved away (walk_next then finds nothing more). */
int walk_fd(const struct walk *w);

void walk_close(struct walk *w);

#endif
