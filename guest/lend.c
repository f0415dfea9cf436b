#include "lend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static bool copy_data(int from, int to)
{
    off_t at = 0;
    while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
        off_t end = lseek(from, at, SEEK_HOLE);
        if (end < 0 || lseek(to, at, SEEK_SET) < 0)
            return false;
        while (at < end) {
            ssize_t n = sendfile(to, from, &at, (size_t)(end - at));
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                return false;
        }
    }
    return errno == ENXIO && lseek(to, 0, SEEK_SET) == 0; /* nothing but a hole is left */
}

/* A copy of the file, of `size` bytes if that is not 0, as descriptor `fd`. */
static bool copy_file(const char *path, long long size, int fd)
{
    struct stat st;
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0 || fstat(from, &st) != 0) {
        fprintf(stderr, "open %s: %s\n", path, strerror(errno));
        return false;
    }
    if (size != 0 && st.st_size != size) {
        fprintf(stderr, "%s has %lld bytes, not %lld: it is damaged\n", path, (long long)st.st_size, size);
        return false;
    }
    int copy = memfd_create("banger", MFD_CLOEXEC);
    if (copy < 0 || ftruncate(copy, st.st_size) != 0 || !copy_data(from, copy)) {
        fprintf(stderr, "copy %s: %s\n", path, strerror(errno));
        return false;
    }
    /* First out of the way, lest one of the two is `fd` itself; the copy that stays is not closed by exec. */
    int high = fcntl(copy, F_DUPFD_CLOEXEC, 10);
    close(copy);
    close(from);
    if (high < 0 || dup2(high, fd) < 0) {
        fprintf(stderr, "pass on %s: %s\n", path, strerror(errno));
        return false;
    }
    close(high);
    return true;
}

int lend(const char *state, const char *memory, const char *bytes, char **command)
{
    if (!copy_file(state, 0, LEND_STATE_FD) || !copy_file(memory, strtoll(bytes, NULL, 10), LEND_MEMORY_FD))
        return 1;
    execvp(command[0], command);
    fprintf(stderr, "run %s: %s\n", command[0], strerror(errno));
    return 1;
}
