#include "entry.h"

#include <string.h>

void put_entry(struct fields_out *o, const struct fs_entry *e, const char *name)
{
    put_bytes(o, 1, name, strlen(name));
    put_str(o, 2, e->type);
    put_int(o, 3, e->mode);
    put_int(o, 4, e->uid);
    put_int(o, 5, e->gid);
    put_int(o, 6, e->size);
    put_sint(o, 7, e->mtime_ns);
    if (e->has_target)
        put_bytes(o, 8, e->target, strlen(e->target));
    put_int(o, 9, e->nlink);
    put_int(o, 10, e->ino);
    put_int(o, 11, e->dev);
    put_sint(o, 12, e->ctime_ns);
}
