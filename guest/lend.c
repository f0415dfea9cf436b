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
#include <sys/wait.h>
#include <unistd.h>

#define HIGH 10

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

/* Opens the file, makes an empty place of its size as descriptor `fd`, which exec does not close. -1 = told. */
static int prepare(const char *path, long long size, int fd)
{
    struct stat st;
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0 || fstat(from, &st) != 0) {
        fprintf(stderr, "open %s: %s\n", path, strerror(errno));
        return -1;
    }
    if (size != 0 && st.st_size != size) {
        fprintf(stderr, "%s has %lld bytes, not %lld: it is damaged\n", path, (long long)st.st_size, size);
        return -1;
    }
    int copy = memfd_create("banger", MFD_CLOEXEC);
    /* Out of the way of the descriptors that are passed on. */
    int high = fcntl(from, F_DUPFD_CLOEXEC, HIGH), high_copy = fcntl(copy, F_DUPFD_CLOEXEC, HIGH);
    if (high < 0 || high_copy < 0 || ftruncate(copy, st.st_size) != 0 || dup2(high_copy, fd) < 0) {
        fprintf(stderr, "make room for %s: %s\n", path, strerror(errno));
        return -1;
    }
    close(high_copy);
    if (from != fd)
        close(from);
    if (copy != fd)
        close(copy);
    return high;
}

static int copy_or_tell(const char *path, int from, int to)
{
    if (copy_data(from, to))
        return 0;
    fprintf(stderr, "copy %s: %s\n", path, strerror(errno));
    return 1;
}

/* Copies beside the command, as nobody's child: the command would not know it. */
static int copy_beside(const char *path, int from, int to)
{
    pid_t pid = fork();
    if (pid < 0) {
        fprintf(stderr, "fork: %s\n", strerror(errno));
        return 1;
    }
    if (pid == 0) {
        if (fork() != 0)
            _exit(0);
        int r = copy_or_tell(path, from, to);
        if (r == 0 && write(LEND_DONE_FD, "k", 1) != 1)
            r = 1;
        _exit(r);
    }
    waitpid(pid, NULL, 0);
    return 0;
}

int lend(const char *state, const char *memory, const char *bytes, char **command)
{
    int from = prepare(state, 0, LEND_STATE_FD);
    if (from < 0 || copy_or_tell(state, from, LEND_STATE_FD) != 0)
        return 1;
    from = prepare(memory, strtoll(bytes, NULL, 10), LEND_MEMORY_FD);
    if (from < 0 || copy_beside(memory, from, LEND_MEMORY_FD) != 0)
        return 1;
    close(LEND_DONE_FD);
    execvp(command[0], command);
    fprintf(stderr, "run %s: %s\n", command[0], strerror(errno));
    return 1;
}
