/*
 * Watches a file or directory with inotify (operation 19). Needs /proc.
 *
 * With recursion, directories that appear later are watched too; what is already inside them when the watch is set
 * is reported as `create` (an entry may therefore be reported twice, never not at all). Symlinks are not followed and
 * other filesystems are not entered. At most WATCHER_MAX_DIRS directories and WATCHER_MAX_EVENTS waiting events.
 */
#ifndef BANGER_WATCHER_H
#define BANGER_WATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

#define WATCHER_MAX_DIRS 8192u
#define WATCHER_MAX_EVENTS 1024u

struct watcher;

struct watch_event {
    bool overflow;    /* events were lost, look again; the other members are empty */
    const char *path; /* relative to the watched path, "." is that itself; valid until the next call of watcher_next */
    const char *kind; /* "create" "modify" "delete" "move_from" "move_to" "attrib" */
    bool is_dir;
    uint32_t cookie; /* the same for both halves of a move */
};

/* NULL on failure (ST_TOO_MANY when there are too many directories or inotify's own limits are reached). */
struct watcher *watcher_open(const char *path, bool recursive, struct failure *f);

/* Readable when watcher_pump has something to do. */
int watcher_fd(const struct watcher *w);

/* Takes what inotify has (never blocks) into the bounded queue. 0, or -1 when watching is over (ST_TOO_MANY when the
 * tree outgrew the limit); events already queued can still be taken. */
int watcher_pump(struct watcher *w, struct failure *f);

/* 1 = `out` is the oldest waiting event, 0 = none waits. */
int watcher_next(struct watcher *w, struct watch_event *out);

void watcher_close(struct watcher *w);

#endif
