/*
 * Makes a POSIX pax archive of a file or directory tree (operation 17) as a pull generator.
 *
 * Left out: sockets, and entries that vanish while the tree is read. A file that shrinks is filled with zeros, one
 * that grows is cut at the size its header says. Files with holes are stored in GNU's
 * sparse format 1.0. Hard links are found by device and
 * inode; at most TAR_OUT_MAX_LINKS inodes (and TAR_OUT_MAX_LINK_BYTES of their names) are remembered, further ones are
 * stored as separate files. A symlink as the top is archived as a symlink.
 */
#ifndef BANGER_TAR_OUT_H
#define BANGER_TAR_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fsops.h"
#include "status.h"

#define TAR_OUT_MAX_LINKS 65536u
#define TAR_OUT_MAX_LINK_BYTES (8u << 20)
#define TAR_OUT_MAX_PATH (1u << 20) /* a longer path inside the tree fails with ST_TOO_LARGE */

struct tar_out_options {
    const char *name;     /* name of the top entry; NULL = "." for a directory, else the base name */
    bool one_file_system; /* a mount point inside the tree becomes an empty directory */
};

struct tar_out;

/* Looks at the top entry; `entry` (may be NULL) gets its description. NULL on failure. */
struct tar_out *tar_out_open(const char *path, const struct tar_out_options *options, struct fs_entry *entry,
                             struct failure *f);

/* Puts the next bytes of the archive into `buf` (as many as `cap` takes, unless the end comes before).
 * 0 = the archive is complete, -1 = failed: the archive is then useless. */
ssize_t tar_out_read(struct tar_out *t, uint8_t *buf, size_t cap, struct failure *f);

uint64_t tar_out_bytes(const struct tar_out *t);
uint64_t tar_out_entries(const struct tar_out *t);
void tar_out_close(struct tar_out *t);

#endif
