/* Opening files beneath a directory without ever following a symlink or leaving it. */
#ifndef BANGER_BENEATH_H
#define BANGER_BENEATH_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Opens `path` (`len` bytes, relative, any length) beneath the directory `root` with openat2, or component by
 * component where the kernel has none. Fails with ELOOP at any symlink, EXDEV at `..` or an absolute path, and, with
 * `same_fs`, EXDEV at a mount point. An empty path is `root` itself. Returns the fd (O_CLOEXEC is added) or -1.
 */
int beneath_open(int root, const char *path, size_t len, int flags, bool same_fs);

/* For tests: do without openat2 (true), or look again whether there is one (false). */
void beneath_force_walk(bool force);

#endif
