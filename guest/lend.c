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

static int failed(const char *what, const char *path)
{
    fprintf(stderr, "%s %s: %s\n", what, path, strerror(errno));
    return 1;
}

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
    return errno == ENXIO; /* nothing but a hole is left */
}

int lend(const char *file, const char *bytes, char **command)
{
    struct stat st;
    long long size = strtoll(bytes, NULL, 10);
    int from = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0 || fstat(from, &st) != 0)
        return failed("open", file);
    if (size <= 0 || st.st_size != size) {
        fprintf(stderr, "%s has %lld bytes, not %s: it is damaged\n", file, (long long)st.st_size, bytes);
        return 1;
    }
    int memory = memfd_create("guest-memory", 0);
    if (memory < 0 || ftruncate(memory, size) != 0)
        return failed("get memory for", file);
    if (!copy_data(from, memory))
        return failed("copy", file);
    if (memory != LEND_FD && dup2(memory, LEND_FD) < 0)
        return failed("pass on", file);
    if (memory != LEND_FD)
        close(memory);
    execvp(command[0], command);
    return failed("run", command[0]);
}
