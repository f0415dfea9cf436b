#ifndef BANGER_ENTRY_H
#define BANGER_ENTRY_H

#include "fsops.h"
#include "wire.h"

#define ENTRY_BYTES_MAX (PATH_MAX + NAME_MAX + 256)

/* The fields of the protocol's record `entry`. */
void put_entry(struct fields_out *o, const struct fs_entry *e);

#endif
