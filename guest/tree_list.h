/* Everything below a directory, described in steps: memory does not depend on how much there is. */
#ifndef BANGER_TREE_LIST_H
#define BANGER_TREE_LIST_H

#include "fsops.h"

struct tree_list;

/* `skip` is a path below `path` that is described, but not entered; NULL or "" enters everything on this filesystem. */
struct tree_list *tree_list_open(const char *path, const char *skip, struct failure *f);

/* 1 = `out` is the next entry and `*name` its path below the top (valid until the next call), 0 = end, -1 = failed.
 * A directory comes before what is in it. What vanishes meanwhile is left out. */
int tree_list_next(struct tree_list *t, struct fs_entry *out, const char **name, struct failure *f);

void tree_list_close(struct tree_list *t);

#endif
