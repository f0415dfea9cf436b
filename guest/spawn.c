#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launch.h"
#include "pty.h"

#define PIPE_SIZE (256 * 1024)

static const char *env_get(char **env, const char *name)
{
    size_t len = strlen(name);
    for (; *env != NULL; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    return NULL;
}

/* Of a login shell a copy, whose first one says so; in one piece. NULL = no memory. */
static char **login_arguments(char **argv)
{
    size_t count = 0;
    while (argv[count] != NULL)
        count++;
    const char *base = strrchr(argv[0], '/');
    base = base != NULL ? base + 1 : argv[0];
    char **copy = malloc((count + 1) * sizeof *copy + strlen(base) + 2);
    if (copy == NULL)
        return NULL;
    memcpy(copy, argv, (count + 1) * sizeof *copy);
    copy[0] = (char *)(copy + count + 1);
    sprintf(copy[0], "-%s", base);
    return copy;
}

/* NULL with errno. */
static struct launch *prepare(const struct spawn *s, const int fd[3], int error)
{
    struct launch *l = malloc(sizeof *l);
    char **argv = s->login ? login_arguments(s->argv) : s->argv;
    const char *path = env_get(s->env, "PATH");
    if (l == NULL || argv == NULL) {
        free(l);
        if (s->login)
            free(argv);
        errno = ENOMEM;
        return NULL;
    }
    l->program = s->argv[0];
    l->argv = argv;
    l->env = s->env;
    l->path = path != NULL ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    l->cwd = s->cwd;
    l->user = s->user;
    l->pty = s->pty;
    memcpy(l->fd, fd, sizeof l->fd);
    l->error = error;
    return l;
}

void spawn_forget(struct launch *l, const struct spawn *s)
{
    if (l != NULL && l->argv != s->argv)
        free(l->argv);
    free(l);
}

/* Copies of descriptors 0 to 2 would be overwritten by the child's own dup2 calls. */
static int above_stdio(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    close(fd);
    return high;
}

static bool make_pipe(int p[2])
{
    if (pipe2(p, O_CLOEXEC) != 0) {
        p[0] = p[1] = -1;
        return false;
    }
    p[0] = above_stdio(p[0]);
    p[1] = above_stdio(p[1]);
    return p[0] >= 0 && p[1] >= 0;
}

static void nonblocking(int fd)
{
    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void close_all(int *fds, int n)
{
    for (int i = 0; i < n; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

/* Fills ours[] = in, out, err and theirs[] = 0, 1, 2. */
static int make_stdio(const struct spawn *s, int ours[3], int theirs[3])
{
    if (s->pty) {
        int slave;
        ours[1] = above_stdio(pty_open(s->rows, s->cols, &slave));
        if (ours[1] < 0)
            return -1;
        theirs[0] = above_stdio(slave);
        theirs[1] = fcntl(theirs[0], F_DUPFD_CLOEXEC, 3);
        theirs[2] = fcntl(theirs[0], F_DUPFD_CLOEXEC, 3);
        ours[0] = fcntl(ours[1], F_DUPFD_CLOEXEC, 3);
        return theirs[0] < 0 || theirs[1] < 0 || theirs[2] < 0 || ours[0] < 0 ? -1 : 0;
    }
    int p[2];
    if (s->has_stdin) {
        if (!make_pipe(p))
            return -1;
        theirs[0] = p[0];
        ours[0] = p[1];
    } else {
        theirs[0] = above_stdio(open("/dev/null", O_RDWR | O_CLOEXEC));
        if (theirs[0] < 0)
            return -1;
    }
    for (int i = 1; i < 3; i++) {
        if (!make_pipe(p))
            return -1;
        ours[i] = p[0];
        theirs[i] = p[1];
        fcntl(p[0], F_SETPIPE_SZ, PIPE_SIZE); /* only faster; the limit for ordinary users may refuse it */
    }
    return 0;
}

int spawn_start(const struct spawn *s, struct spawned *out, struct failure *f)
{
    int ours[3] = {-1, -1, -1}, theirs[3] = {-1, -1, -1}, error[2] = {-1, -1};
    pid_t pid = -1;
    struct launch *l = NULL;
    if (make_stdio(s, ours, theirs) == 0 && make_pipe(error))
        l = prepare(s, theirs, error[1]);
    if (l != NULL)
        pid = launch_start(l);
    int err = errno;
    close_all(theirs, 3);
    close_all(&error[1], 1);
    if (pid < 0) {
        close_all(ours, 3);
        close_all(error, 1);
        spawn_forget(l, s);
        return failure_errno(f, err, "start", s->argv[0]);
    }
    for (int i = 0; i < 3; i++)
        nonblocking(ours[i]);
    nonblocking(error[0]);
    *out = (struct spawned){pid, ours[0], {ours[1], ours[2]}, error[0], l};
    return 0;
}

int spawn_result(int error, const struct spawn *s, struct failure *f)
{
    struct report r;
    ssize_t n = read(error, &r, sizeof r);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 1;
    if (n != (ssize_t)sizeof r)
        return 0;
    const char *program = s->argv[0];
    switch (r.stage) {
    case STAGE_LOOKUP:
        return failure_set(f, ST_NOT_FOUND, r.err, program, "program not found");
    case STAGE_EXEC:
        if (r.err == ENOENT)
            return failure_set(f, ST_NOT_EXECUTABLE, r.err, program, "the program's interpreter is missing");
        failure_errno(f, r.err, "execute", program);
        f->status = r.err == E2BIG || r.err == ENOMEM ? f->status : ST_NOT_EXECUTABLE;
        return -1;
    case STAGE_CWD:
        return failure_errno(f, r.err, "change directory to", s->cwd);
    case STAGE_USER:
        return failure_errno(f, r.err, "become user", s->user->name);
    default:
        return failure_errno(f, r.err, "set up", program);
    }
}
