/*
 * Extracts a tar archive (ustar, pax, GNU long names and base-256 numbers) beneath a directory (operation 18) as a
 * push parser.
 *
 * No member is ever resolved through a symlink or above the destination: absolute names, `..`, hard links that leave
 * and members below a symlink are ST_INVALID_ARCHIVE. What is there keeps its name until what
 * replaces it is complete (settle.h), and a file of more than 64 KiB has no name before it is; directories are merged; a directory is never replaced by something else (ST_IS_DIRECTORY), nor something else by a directory
 * (ST_NOT_DIRECTORY). The destination itself keeps its mode, owner and time. Without `keep_owner` everything belongs
 * to the caller (root in a guest), set-uid and set-gid bits are dropped, and file capabilities are not restored.
 * Modes and times of directories are set at the end, the first TAR_IN_MAX_DIRS of them; further ones at once.
 */
#ifndef BANGER_TAR_IN_H
#define BANGER_TAR_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

#define TAR_IN_MAX_DIRS 65536u
#define TAR_IN_MAX_DIR_BYTES (16u << 20)
#define TAR_IN_MAX_META (1u << 20) /* one pax header or GNU long name */

struct tar_in_options {
    bool keep_owner;
    bool skip_devices; /* char and block devices are left out; otherwise they are made */
};

struct tar_in;

/* `path` must be an existing directory (a symlink to one is followed: it is the caller's choice). NULL on failure. */
struct tar_in *tar_in_open(const char *path, const struct tar_in_options *options, struct failure *f);

/* Takes the next bytes. 0, or -1: tar_in_failure tells why, and every later call fails the same way. */
int tar_in_push(struct tar_in *t, const uint8_t *buf, size_t len);

/* The archive has ended: checks that it was complete, then sets directory modes and times. 0 or -1. */
int tar_in_finish(struct tar_in *t);

/* The failure of push or finish; status ST_OK if there was none. */
const struct failure *tar_in_failure(const struct tar_in *t);

/* How many of the next bytes are only content of the file at hand; 0 when something else comes. */
uint64_t tar_in_content_left(const struct tar_in *t);

/* Bytes of archive taken, members completely written. */
uint64_t tar_in_bytes(const struct tar_in *t);
uint64_t tar_in_entries(const struct tar_in *t);

/* Frees `t` (NULL is fine). A member that was not complete is removed. */
void tar_in_close(struct tar_in *t);

#endif
