#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pty.h"

#define PIPE_SIZE (256 * 1024)

enum stage { STAGE_SETUP, STAGE_USER, STAGE_CWD, STAGE_LOOKUP, STAGE_EXEC };

struct report {
    int stage, err;
};

static void die(int error, enum stage stage)
{
    struct report r = {(int)stage, errno};
    ssize_t n = write(error, &r, sizeof r);
    (void)n;
    _exit(127);
}

static const char *env_get(char **env, const char *name)
{
    size_t len = strlen(name);
    for (; *env != NULL; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    return NULL;
}

/* As execvpe, but it remembers why: a program that was found and did not start is another failure than none found. */
static enum stage exec_lookup(const char *program, char **argv, char **env)
{
    if (strchr(program, '/') != NULL) {
        execve(program, argv, env);
        if (errno != ENOENT && errno != ENOTDIR)
            return STAGE_EXEC;
        int err = errno;
        bool there = access(program, F_OK) == 0; /* then its interpreter is what is missing */
        errno = err;
        return there ? STAGE_EXEC : STAGE_LOOKUP;
    }
    const char *path = env_get(env, "PATH");
    if (path == NULL)
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    int found = 0;
    char candidate[4096];
    for (const char *end; *program != 0 && path != NULL; path = *end != 0 ? end + 1 : NULL) {
        end = strchrnul(path, ':');
        const char *slash = end == path ? "." : "";
        int n = snprintf(candidate, sizeof candidate, "%.*s%s/%s", (int)(end - path), path, slash, program);
        if (n < 0 || (size_t)n >= sizeof candidate)
            continue;
        execve(candidate, argv, env);
        struct stat st;
        int err = errno;
        if (stat(candidate, &st) == 0 && !S_ISDIR(st.st_mode) && found == 0)
            found = err;
    }
    errno = found != 0 ? found : ENOENT;
    return found != 0 ? STAGE_EXEC : STAGE_LOOKUP;
}

/* setgroups & friends are privileged even when they change nothing, and a test agent is an ordinary user. */
static int become(const struct user *u)
{
    if (geteuid() != 0 && u->uid == getuid() && u->gid == getgid())
        return 0;
    if (setgroups((size_t)u->group_count, u->groups) != 0 || setresgid(u->gid, u->gid, u->gid) != 0)
        return -1;
    return setresuid(u->uid, u->uid, u->uid);
}

static void reset_oom_score(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = write(fd, "0", 1);
        (void)n;
        close(fd);
    }
}

static void reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int i = 1; i <= 64; i++)
        sigaction(i, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child(const struct spawn *s, const int fd[3], int error)
{
    reset_signals();
    setsid();
    if (s->pty && ioctl(fd[0], TIOCSCTTY, 0) != 0)
        die(error, STAGE_SETUP);
    for (int i = 0; i < 3; i++)
        if (dup2(fd[i], i) < 0)
            die(error, STAGE_SETUP);
    reset_oom_score();
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > 1024) {
        files.rlim_cur = 1024; /* the agent's own limit is higher than what select(2) users expect */
        setrlimit(RLIMIT_NOFILE, &files);
    }
    umask(022);
    if (s->pty && geteuid() == 0 && fchown(0, s->user->uid, (gid_t)-1) != 0)
        die(error, STAGE_SETUP);
    if (become(s->user) != 0)
        die(error, STAGE_USER);
    if (chdir(s->cwd) != 0)
        die(error, STAGE_CWD);
    char *program = s->argv[0];
    if (s->login) {
        const char *base = strrchr(program, '/');
        base = base != NULL ? base + 1 : program;
        char *name = malloc(strlen(base) + 2);
        if (name == NULL)
            die(error, STAGE_SETUP);
        sprintf(name, "-%s", base);
        s->argv[0] = name;
    }
    die(error, exec_lookup(program, s->argv, s->env));
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
    if (make_stdio(s, ours, theirs) == 0 && make_pipe(error)) {
        pid = fork();
        if (pid == 0)
            child(s, theirs, error[1]);
    }
    int err = errno;
    close_all(theirs, 3);
    close_all(&error[1], 1);
    if (pid < 0) {
        close_all(ours, 3);
        close_all(error, 1);
        return failure_errno(f, err, "start", s->argv[0]);
    }
    for (int i = 0; i < 3; i++)
        nonblocking(ours[i]);
    nonblocking(error[0]);
    *out = (struct spawned){pid, ours[0], {ours[1], ours[2]}, error[0]};
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
