#include "beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Not every libc has linux/openat2.h; the numbers are kernel ABI and the same everywhere. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#define HOW_NO_XDEV 0x01u
#define HOW_NO_MAGICLINKS 0x02u
#define HOW_NO_SYMLINKS 0x04u
#define HOW_BENEATH 0x08u

struct how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};

/* Paths are handed to the kernel in pieces below its limit, cut between two components. */
#define PIECE_MAX (PATH_MAX - 1)

static enum { UNKNOWN, PRESENT, ABSENT } openat2_state = UNKNOWN;

void beneath_force_walk(bool force)
{
    openat2_state = force ? ABSENT : UNKNOWN;
}

static int openat2_call(int at, const char *path, int flags, uint64_t resolve)
{
    struct how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = resolve};
    long fd;
    do
        fd = syscall(SYS_openat2, at, path, &how, sizeof how);
    while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    return (int)fd;
}

/* Some seccomp filters answer EPERM instead of ENOSYS, so look once instead of trusting one errno later. */
static bool have_openat2(void)
{
    if (openat2_state == UNKNOWN) {
        int fd = openat2_call(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
        openat2_state = fd >= 0 ? PRESENT : ABSENT;
        if (fd >= 0)
            close(fd);
    }
    return openat2_state == PRESENT;
}

static bool crosses(int from, int to)
{
    struct stat a, b;
    return fstat(from, &a) != 0 || fstat(to, &b) != 0 || a.st_dev != b.st_dev;
}

/* One component without openat2. */
static int open_component(int at, const char *name, int flags, bool same_fs)
{
    if (strcmp(name, "..") == 0) {
        errno = EXDEV;
        return -1;
    }
    int fd = openat(at, name, flags | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    /* O_DIRECTORY turns a symlink's ELOOP into ENOTDIR, and O_PATH would open the symlink itself. */
    if (fd < 0 && errno == ENOTDIR && fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        errno = S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
    if (fd < 0)
        return -1;
    bool link = (flags & O_PATH) != 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode);
    if (link || (same_fs && crosses(at, fd))) {
        close(fd);
        errno = link ? ELOOP : EXDEV;
        return -1;
    }
    return fd;
}

/* Takes the next component of *path into `name` (NAME_MAX + 2 bytes). 0 = there is none, -1 = too long. */
static int next_component(const char **path, char *name)
{
    while (**path == '/')
        ++*path;
    size_t n = strcspn(*path, "/");
    if (n > NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(name, *path, n);
    name[n] = 0;
    *path += n;
    return n > 0;
}

static int open_by_walk(int root, const char *path, int flags, bool same_fs)
{
    char name[NAME_MAX + 2], next[NAME_MAX + 2];
    int at = root;
    int more = next_component(&path, name);
    while (more > 0) {
        more = next_component(&path, next);
        int fd = more < 0 ? -1 : open_component(at, name, more ? O_PATH | O_DIRECTORY : flags, same_fs);
        int err = errno;
        if (at != root)
            close(at);
        errno = err;
        if (fd < 0)
            return -1;
        at = fd;
        memcpy(name, next, sizeof name);
    }
    if (more < 0)
        return -1;
    return at != root ? at : openat(root, ".", flags | O_CLOEXEC);
}

static int open_piece(int root, const char *piece, int flags, bool same_fs)
{
    if (piece[0] == '/') {
        errno = EXDEV;
        return -1;
    }
    if (!have_openat2())
        return open_by_walk(root, piece, flags, same_fs);
    uint64_t resolve = HOW_BENEATH | HOW_NO_SYMLINKS | HOW_NO_MAGICLINKS | (same_fs ? HOW_NO_XDEV : 0);
    return openat2_call(root, piece[0] ? piece : ".", flags, resolve);
}

/* How much of `path` goes into one call: all, or up to the last slash that fits. 0 = a component is too long. */
static size_t piece_length(const char *path, size_t len)
{
    if (len <= PIECE_MAX)
        return len;
    size_t n = PIECE_MAX;
    while (n > 0 && path[n] != '/')
        n--;
    return n;
}

/* close() for the intermediate directories, leaving errno to the caller. */
static void close_between(int fd, int root)
{
    int err = errno;
    if (fd != root)
        close(fd);
    errno = err;
}

int beneath_open(int root, const char *path, size_t len, int flags, bool same_fs)
{
    char piece[PIECE_MAX + 1];
    int at = root;
    for (;;) {
        size_t n = piece_length(path, len);
        bool last = n == len;
        int fd = -1;
        memcpy(piece, path, n);
        piece[n] = 0;
        if (n > 0 || last)
            fd = open_piece(at, piece, last ? flags : O_PATH | O_DIRECTORY, same_fs);
        else
            errno = ENAMETOOLONG;
        close_between(at, root);
        if (fd < 0 || last)
            return fd;
        at = fd;
        path += n + 1;
        len -= n + 1;
    }
}
