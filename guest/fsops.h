/*
 * File operations of the guest protocol (operations 10 to 16). Every function works on plain paths, touches no
 * event loop, and returns 0 or -1 with the failure filled in, unless said otherwise. `struct failure *` may be NULL.
 */
#ifndef BANGER_FSOPS_H
#define BANGER_FSOPS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "status.h"

struct stat;

/* The protocol's record `entry`. */
struct fs_entry {
    char name[NAME_MAX + 1];
    const char *type; /* "file" "dir" "symlink" "fifo" "socket" "char" "block": static text */
    uint32_t mode;    /* 07777 */
    uint32_t uid;
    uint32_t gid;
    uint64_t size;
    int64_t mtime_ns;
    int64_t ctime_ns;
    uint64_t nlink;
    uint64_t ino;
    uint64_t dev;
    bool has_target;
    char target[PATH_MAX]; /* symlinks only, NUL terminated */
};

/* Describes one path; with `follow`, the file a final symlink leads to. */
int fs_stat(const char *path, bool follow, struct fs_entry *out, struct failure *f);

/* Describes an open file (op 12's answer); `path` gives the name. */
int fs_stat_fd(int fd, const char *path, struct fs_entry *out, struct failure *f);

/* Opens a regular file for op 12 at `offset`; a fifo or device never blocks. Returns the fd or -1. */
int fs_read_open(const char *path, uint64_t offset, struct fs_entry *out, struct failure *f);

/* Describes `name` in an open directory, symlinks not followed. 0, or -1 with errno; ENOENT when it is gone. */
int fs_entry_at(int dir, const char *name, struct fs_entry *out);

/* Fills everything but `target` from a stat buffer. */
void fs_entry_from_stat(struct fs_entry *out, const char *name, const struct stat *st);

/* Directory iteration in directory order, without `.` and `..`; memory does not depend on the directory's size. */
struct fs_list;
struct fs_list *fs_list_open(const char *path, struct failure *f);
/* 1 = `out` is the next entry, 0 = end, -1 = failed. Entries that vanish meanwhile are left out. */
int fs_list_next(struct fs_list *list, struct fs_entry *out, struct failure *f);
void fs_list_close(struct fs_list *list);

/* Makes a directory with exactly `mode` (no umask). With `parents`, missing parents (0755), existing one is fine. */
int fs_mkdir(const char *path, uint32_t mode, bool parents, struct failure *f);

/* Renames; without `replace` an existing `to` is ST_EXISTS (atomically). */
int fs_move(const char *from, const char *to, bool replace, struct failure *f);

/* Removes at once; for big trees in an event loop use fs_remover_* below. */
int fs_remove(const char *path, bool recursive, bool missing_ok, struct failure *f);

/* The same in steps, so that a caller can do other things between. */
struct fs_remover;
struct fs_remover *fs_remover_open(const char *path, bool recursive, bool missing_ok, struct failure *f);
/* Removes about `budget` entries. 1 = more to do, 0 = finished, -1 = failed. */
int fs_remover_step(struct fs_remover *r, unsigned budget, struct failure *f);
void fs_remover_close(struct fs_remover *r);

/* A name that nothing in a folder has yet, most likely, for what is renamed when it is complete; `attempt` varies it. */
#define FS_TEMP_NAME 29u
void fs_temp_name(char name[FS_TEMP_NAME], unsigned attempt);

/* Atomic write of one file (op 13). */
struct fs_write_options {
    uint32_t mode; /* set as it is, no umask */
    bool has_uid, has_gid, has_mtime;
    uint32_t uid, gid;
    int64_t mtime_ns;
    bool exclusive;
    bool make_parents;
    bool no_sync; /* whole or not at all even so, but it may be gone after a crash of the host */
};
struct fs_write;
/* Opens a temporary file beside the target. NULL on failure; nothing is left behind then. */
struct fs_write *fs_write_open(const char *path, const struct fs_write_options *options, struct failure *f);
/* Appends; after a failure only fs_write_abort makes sense. */
int fs_write_data(struct fs_write *w, const void *data, size_t len, struct failure *f);
/* Puts the file in its place (fsync, rename or link, fsync of the directory). Frees `w` in every case; on failure the
 * target is as it was and the temporary file is gone. `bytes` may be NULL. */
int fs_write_commit(struct fs_write *w, uint64_t *bytes, struct failure *f);
/* Removes the temporary file and frees `w` (NULL is fine). */
void fs_write_abort(struct fs_write *w);

#endif
