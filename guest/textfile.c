#include "textfile.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fsops.h"

/* One of this size for each would have the kernel make and take back a mapping. */
static char scratch[TEXT_MAX + 1];

static bool holds(int fd, const void *content, size_t len)
{
    return len <= TEXT_MAX && pread(fd, scratch, len, 0) == (ssize_t)len && memcmp(scratch, content, len) == 0;
}

/* A file that is there is written over where it lies: a new one costs several times as much, most of all in a machine that was
 * just restored; so does cutting it to its length, if it has that. What it lets its owner do is the image's. Returns whether it
 * now is as wanted. */
static bool rewrite(const char *path, const void *content, size_t len, uint32_t mode)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && ((st.st_mode ^ mode) & 07077) == 0 && st.st_uid == 0 && st.st_gid == 0;
    if (ok && !(st.st_size == (off_t)len && holds(fd, content, len)))
        ok = pwrite(fd, content, len, 0) == (ssize_t)len && (st.st_size <= (off_t)len || ftruncate(fd, (off_t)len) == 0);
    close(fd);
    return ok;
}

int text_write(const char *path, const void *content, size_t len, uint32_t mode, struct failure *f)
{
    return rewrite(path, content, len, mode) ? 0 : text_replace(path, content, len, mode, f);
}

int text_replace(const char *path, const void *content, size_t len, uint32_t mode, struct failure *f)
{
    /* Written anew at each start, so a crash loses nothing; waiting for the disk would be most of a configuration's time. */
    struct fs_write_options o = {.mode = mode, .make_parents = true, .no_sync = true};
    struct fs_write *w = fs_write_open(path, &o, f);
    if (w == NULL)
        return -1;
    if (fs_write_data(w, content, len, f) != 0) {
        fs_write_abort(w);
        return -1;
    }
    return fs_write_commit(w, NULL, f);
}

char *text_read(const char *path)
{
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    for (ssize_t n; fd >= 0 && len < TEXT_MAX && (n = read(fd, scratch + len, TEXT_MAX - len)) > 0;)
        len += (size_t)n;
    if (fd >= 0)
        close(fd);
    scratch[len] = 0;
    return strdup(scratch);
}
