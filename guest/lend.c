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

/* Opened, or passed on to us; out of the way of the descriptors that are passed on, which exec does not close. -1 = told. */
static int open_high(const char *path, struct stat *st)
{
    int fd = *path == '/' ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : atoi(path);
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, HIGH);
    if (high < 0 || fstat(high, st) != 0) {
        fprintf(stderr, "open %s: %s\n", path, strerror(errno));
        return -1;
    }
    close(fd);
    return high;
}

/* Opens the file, makes an empty place of its size as descriptor `fd`. -1 = told. */
static int prepare(const char *path, long long size, int fd)
{
    struct stat st;
    int from = open_high(path, &st);
    if (from < 0)
        return -1;
    if (size != 0 && st.st_size != size) {
        fprintf(stderr, "%s has %lld bytes, not %lld: it is damaged\n", path, (long long)st.st_size, size);
        return -1;
    }
    int copy = memfd_create("banger", MFD_CLOEXEC);
    int high = fcntl(copy, F_DUPFD_CLOEXEC, HIGH);
    if (high < 0 || ftruncate(copy, st.st_size) != 0 || dup2(high, fd) < 0) {
        fprintf(stderr, "make room for %s: %s\n", path, strerror(errno));
        return -1;
    }
    close(high);
    if (copy != fd)
        close(copy);
    return from;
}

static int copy_or_tell(const char *path, int from, int to)
{
    if (copy_data(from, to))
        return 0;
    fprintf(stderr, "copy %s: %s\n", path, strerror(errno));
    return 1;
}

/* Goes on beside the command, as nobody's child: the command would not know it. Returns 0 in the one that is to do so, 1 in the
 * other, -1 = told. */
static int beside(void)
{
    pid_t pid = fork();
    if (pid < 0) {
        fprintf(stderr, "fork: %s\n", strerror(errno));
        return -1;
    }
    if (pid == 0) {
        if (fork() != 0)
            _exit(0);
        return 0;
    }
    waitpid(pid, NULL, 0);
    return 1;
}

static int run(char **command)
{
    close(LEND_DONE_FD);
    execvp(command[0], command);
    fprintf(stderr, "run %s: %s\n", command[0], strerror(errno));
    return 1;
}

static bool tell_done(void)
{
    return write(LEND_DONE_FD, "k", 1) == 1;
}

int lend(const char *state, const char *memory, const char *bytes, char **command)
{
    int from = prepare(state, 0, LEND_STATE_FD);
    if (from < 0 || copy_or_tell(state, from, LEND_STATE_FD) != 0)
        return 1;
    from = prepare(memory, strtoll(bytes, NULL, 10), LEND_MEMORY_FD);
    int part = from < 0 ? -1 : beside();
    if (part == 0)
        _exit(copy_or_tell(memory, from, LEND_MEMORY_FD) == 0 && tell_done() ? 0 : 1);
    return part < 0 ? 1 : run(command);
}

int lend_stream(const char *state, char **command)
{
    struct stat st;
    int ends[2], from = open_high(state, &st);
    if (from < 0)
        return 1;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fprintf(stderr, "pipe: %s\n", strerror(errno));
        return 1;
    }
    int out = fcntl(ends[1], F_DUPFD_CLOEXEC, HIGH), in = fcntl(ends[0], F_DUPFD_CLOEXEC, HIGH);
    if (out < 0 || in < 0 || dup2(in, LEND_STATE_FD) < 0 || !tell_done()) {
        fprintf(stderr, "pass on %s: %s\n", state, strerror(errno));
        return 1;
    }
    for (unsigned i = 0; i < 2; i++)
        if (ends[i] != LEND_STATE_FD)
            close(ends[i]);
    close(in);
    int part = beside();
    if (part == 0) { /* a command that ends earlier ends this, too (SIGPIPE) */
        close(LEND_STATE_FD);
        off_t at = 0;
        ssize_t n;
        while ((n = sendfile(out, from, &at, 1 << 20)) > 0 || (n < 0 && errno == EINTR))
            ;
        _exit(n < 0);
    }
    close(out);
    return part < 0 ? 1 : run(command);
}
