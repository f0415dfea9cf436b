#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER_STACK (32 * 1024)
#define REPORT_FD 3

/* ---- the process: runs beside the agent, in its memory ---- */

/* Has not a thing of the library's, whose state (errno for one) is the agent's, and nothing that a sanitizer keeps books of. */
#define BARE __attribute__((no_sanitize("address"), no_sanitize("undefined"), noinline))

/* The system's own result: negative = an error's number. */
BARE static long call(long number, long a, long b, long c)
{
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
}

BARE static void die(const struct launch *l, enum stage stage, long err)
{
    struct report r = {(int)stage, (int)err};
    call(SYS_write, l->error, (long)&r, sizeof r);
    for (;;)
        call(SYS_exit_group, 127, 0, 0);
}

/* Returns the error's number. */
BARE static long execute(const struct launch *l, const char *path)
{
    return -call(SYS_execve, (long)path, (long)l->argv, (long)l->env);
}

/* Fills in `candidate` from the next folder of the path, and returns what follows it, NULL at the end. Empty = too long. */
BARE static const char *next_candidate(struct launch *l, const char *path)
{
    size_t len = 0, cap = sizeof l->candidate - 1;
    const char *p = path, *name = l->program;
    if (*p == 0 || *p == ':')
        l->candidate[len++] = '.';
    for (; *p != 0 && *p != ':'; p++)
        if (len < cap)
            l->candidate[len++] = *p;
    if (len < cap)
        l->candidate[len++] = '/';
    for (; *name != 0 && len < cap; name++)
        l->candidate[len++] = *name;
    l->candidate[len < cap ? len : 0] = 0;
    return *p != 0 ? p + 1 : NULL;
}

/* As execvpe, but it remembers why: a program that was found and did not start is another failure than none found. */
BARE static void look_up(struct launch *l)
{
    long found = 0;
    struct stat st;
    for (const char *path = l->path; *l->program != 0 && path != NULL;) {
        path = next_candidate(l, path);
        long err = execute(l, l->candidate);
        if (found == 0 && call(SYS_stat, (long)l->candidate, (long)&st, 0) == 0 && !S_ISDIR(st.st_mode))
            found = err;
    }
    die(l, found != 0 ? STAGE_EXEC : STAGE_LOOKUP, found != 0 ? found : ENOENT);
}

/*
 * setgroups & friends are privileged even when they change nothing, and a test agent is an ordinary user. Not of the helper: its
 * user could stop it, and the agent with it. Another user's process in this memory can be looked into by nobody but root: the
 * kernel takes that right away with the change.
 */
BARE static long become(const struct user *u)
{
    if (call(SYS_geteuid, 0, 0, 0) != 0 && call(SYS_getuid, 0, 0, 0) == (long)u->uid && call(SYS_getgid, 0, 0, 0) == (long)u->gid)
        return 0;
    long r = call(SYS_setgroups, u->group_count, (long)u->groups, 0);
    if (r == 0)
        r = call(SYS_setresgid, u->gid, u->gid, u->gid);
    return r == 0 ? call(SYS_setresuid, u->uid, u->uid, u->uid) : r;
}

BARE static int process(void *ctx)
{
    struct launch *l = ctx;
    long r;
    if (l->failed.err != 0)
        die(l, (enum stage)l->failed.stage, l->failed.err);
    call(SYS_setsid, 0, 0, 0);
    if (l->pty && (r = call(SYS_ioctl, 0, TIOCSCTTY, 0)) < 0)
        die(l, STAGE_SETUP, -r);
    if ((r = become(l->user)) < 0)
        die(l, STAGE_USER, -r);
    if ((r = call(SYS_chdir, (long)l->cwd, 0, 0)) < 0)
        die(l, STAGE_CWD, -r);
    bool is_path = false;
    for (const char *p = l->program; *p != 0; p++)
        is_path = is_path || *p == '/';
    if (!is_path)
        look_up(l);
    long err = execute(l, l->program);
    bool there = (err != ENOENT && err != ENOTDIR) || call(SYS_access, (long)l->program, F_OK, 0) == 0; /* then it is its interpreter that is missing */
    die(l, there ? STAGE_EXEC : STAGE_LOOKUP, err);
    return 127;
}

/* ---- the helper: prepares all that cannot take long, while the agent stands still ---- */

/* Of the helper alone, from which the process has it: the kernel lets one that its maker waits for have its own. */
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

/* Leaves it with 0, 1, 2 and the way to report: while it waits to execute it holds no end of anybody else's pipe open. */
static bool keep_own_files(struct launch *l)
{
    for (int i = 0; i < 3; i++)
        if (dup2(l->fd[i], i) < 0)
            return false;
    if (l->error != REPORT_FD && dup3(l->error, REPORT_FD, O_CLOEXEC) < 0)
        return false;
    l->error = REPORT_FD;
    syscall(SYS_close_range, REPORT_FD + 1, ~0u, 0); /* a kernel before 5.9 closes them when it executes */
    return true;
}

static struct report prepare(struct launch *l)
{
    if (!keep_own_files(l))
        return (struct report){STAGE_SETUP, errno};
    reset_oom_score();
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > 1024) {
        files.rlim_cur = 1024; /* the agent's own limit is higher than what select(2) users expect */
        setrlimit(RLIMIT_NOFILE, &files);
    }
    umask(022);
    if (l->pty && geteuid() == 0 && fchown(0, l->user->uid, (gid_t)-1) != 0)
        return (struct report){STAGE_SETUP, errno};
    return (struct report){STAGE_SETUP, 0};
}

static int helper(void *ctx)
{
    struct launch *l = ctx;
    l->failed = prepare(l); /* told by the process, as all its failures are */
    reset_signals();
    l->pid = clone(process, l->stack + sizeof l->stack, CLONE_VM | CLONE_PARENT | SIGCHLD, l);
    _exit(l->pid > 0 ? 0 : errno);
}

pid_t launch_start(struct launch *l)
{
    _Alignas(16) char stack[HELPER_STACK];
    int status;
    l->pid = -1;
    pid_t pid = clone(helper, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, l);
    if (pid < 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (l->pid < 0)
        errno = WIFEXITED(status) ? WEXITSTATUS(status) : EAGAIN;
    return l->pid;
}
