#include "init.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmdline.h"
#include "console.h"
#include "loop.h"

#define GRACE_MS 10000
#define WATCHED_MAX 4096 /* processes waited for at power-off; more are killed with the others */
#define RESTART_SECONDS 1

pid_t init_start_agent(const struct boot_facts *facts)
{
    char init_ns[24], root_ns[24], state[12], gate[12];
    snprintf(init_ns, sizeof init_ns, "%llu", (unsigned long long)facts->init_ns);
    snprintf(root_ns, sizeof root_ns, "%llu", (unsigned long long)facts->root_ns);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    setsid();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* The agent keeps the only way to the state filesystem: it has no path in the new root. */
    int fd = fcntl(facts->state_fd, F_DUPFD, 3);
    snprintf(state, sizeof state, "%d", fd);
    snprintf(gate, sizeof gate, "%d", facts->init_gate < 0 ? -1 : fcntl(facts->init_gate, F_DUPFD, 3));
    static char *const env[] = {NULL};
    /* systemd spares processes whose name starts with '@' when it kills everything at shutdown. */
    execve(AGENT_PATH, (char *[]){"@banger-agent", "--guest", facts->beside ? "beside" : "init", init_ns, root_ns, state, gate, NULL}, env);
    _exit(127);
}

/* Kernel threads have no memory of their own, hence no executable; they cannot be waited for. */
static bool is_kernel_thread(const char *pid)
{
    char path[64], target[8];
    snprintf(path, sizeof path, "/proc/%.20s/exe", pid);
    return readlink(path, target, sizeof target) < 0;
}

static int watch_others(struct pollfd *p, pid_t agent)
{
    DIR *dir = opendir("/proc");
    int n = 0;
    for (struct dirent *e; dir != NULL && n < WATCHED_MAX && (e = readdir(dir)) != NULL;) {
        pid_t pid = atoi(e->d_name);
        if (pid <= 1 || pid == agent || is_kernel_thread(e->d_name))
            continue;
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (fd >= 0)
            p[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    if (dir != NULL)
        closedir(dir);
    return n;
}

static void reap(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

/* Waits until all are gone or `ms` have passed. */
static void wait_gone(struct pollfd *p, int n, int ms)
{
    uint64_t end = now_ns() + (uint64_t)ms * 1000000u;
    for (int left = n; left > 0;) {
        uint64_t now = now_ns();
        if (now >= end || poll(p, (nfds_t)n, (int)((end - now) / 1000000 + 1)) < 0)
            break;
        for (int i = 0; i < n; i++) {
            if (p[i].revents == 0)
                continue;
            close(p[i].fd);
            p[i] = (struct pollfd){.fd = -1};
            left--;
        }
        reap();
    }
    for (int i = 0; i < n; i++)
        if (p[i].fd >= 0)
            close(p[i].fd);
}

static void go_down(const struct boot_facts *facts, pid_t agent, bool again, int grace_ms)
{
    static struct pollfd watched[WATCHED_MAX];
    char state[64];
    console_say("%s", again ? "rebooting" : "powering off");
    int n = watch_others(watched, agent);
    kill(-1, SIGTERM); /* the agent ignores it and goes on serving the host */
    kill(-1, SIGCONT);
    wait_gone(watched, n, grace_ms);
    kill(-1, SIGKILL);
    reap();
    sync();
    mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
    snprintf(state, sizeof state, "/proc/self/fd/%d", facts->state_fd);
    mount(NULL, state, NULL, MS_REMOUNT | MS_RDONLY | MS_NOATIME, NULL);
    sync();
    reboot(again ? RB_AUTOBOOT : cmdline_off());
    console_fatal("power off");
}

void init_run(const struct boot_facts *facts)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    reboot(RB_DISABLE_CAD);
    pid_t agent = init_start_agent(facts);
    uint64_t restart_at = 0;
    for (;;) {
        siginfo_t info;
        struct timespec pause = {.tv_sec = RESTART_SECONDS};
        int signal = restart_at != 0 ? sigtimedwait(&all, &info, &pause) : sigwaitinfo(&all, &info);
        if (signal == SIGCHLD) {
            for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;) {
                if (pid != agent)
                    continue;
                console_say("the agent ended unexpectedly, starting it again");
                agent = -1;
                restart_at = now_ns() + RESTART_SECONDS * 1000000000ull; /* not in a tight circle */
            }
        } else if (signal == SIGTERM || signal == SIGINT || signal == SIGPWR) {
            go_down(facts, agent, false, GRACE_MS);
        } else if (signal == SIGRTMIN + 4 || signal == SIGRTMIN + 5) {
            int grace = info.si_code == SI_QUEUE ? info.si_value.sival_int : GRACE_MS;
            go_down(facts, agent, signal == SIGRTMIN + 5, grace);
        }
        if (restart_at != 0 && now_ns() >= restart_at) {
            restart_at = 0;
            agent = init_start_agent(facts);
        }
    }
}
