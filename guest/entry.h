#ifndef BANGER_ENTRY_H
#define BANGER_ENTRY_H

#include "fsops.h"
#include "wire.h"

#define ENTRY_BYTES_MAX (2 * PATH_MAX + 256)

/* The fields of the protocol's record `entry`, under its own name or, in a list of a tree, its path. */
void put_entry(struct fields_out *o, const struct fs_entry *e, const char *name);

#endif
