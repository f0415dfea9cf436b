#include "settle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 16u

const char *settle_name(const struct settle *s)
{
    return s->temp[0] != 0 ? s->temp : s->name;
}

void settle_drop(struct settle *s)
{
    if (!s->nameless)
        unlinkat(s->dir, settle_name(s), 0);
    s->nameless = false;
    s->temp[0] = 0;
}

static int refuse_directory(const struct settle *s)
{
    struct stat st;
    if (fstatat(s->dir, s->name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))
        return 0;
    errno = EISDIR;
    return -1;
}

static int make_beside(struct settle *s, settle_maker *make, void *ctx)
{
    for (unsigned i = 0; i < TRIES; i++) {
        fs_temp_name(s->temp, i);
        int result = make(ctx, s->dir, s->temp);
        if (result >= 0)
            return result;
        if (errno != EEXIST)
            break;
    }
    s->temp[0] = 0;
    return -1;
}

int settle_make(struct settle *s, settle_maker *make, void *ctx)
{
    int result = make(ctx, s->dir, s->name);
    if (result >= 0 || errno != EEXIST)
        return result;
    return refuse_directory(s) == 0 ? make_beside(s, make, ctx) : -1;
}

static int make_file(void *ctx, int dir, const char *name)
{
    (void)ctx;
    return openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int settle_file(struct settle *s, bool hidden)
{
    if (!hidden)
        return settle_make(s, make_file, NULL);
    if (refuse_directory(s) != 0)
        return -1;
    int fd = openat(s->dir, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
    s->nameless = fd >= 0;
    return fd >= 0 ? fd : make_beside(s, make_file, NULL);
}

static int link_open_file(void *ctx, int dir, const char *name)
{
    return linkat(AT_FDCWD, ctx, dir, name, AT_SYMLINK_FOLLOW);
}

int settle_done(struct settle *s, int fd)
{
    if (s->nameless) {
        char proc[40];
        snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
        if (settle_make(s, link_open_file, proc) < 0)
            return -1;
        s->nameless = false;
    }
    if (s->temp[0] != 0 && renameat(s->dir, s->temp, s->dir, s->name) != 0) {
        int err = errno;
        settle_drop(s);
        errno = err;
        return -1;
    }
    s->temp[0] = 0;
    return 0;
}
