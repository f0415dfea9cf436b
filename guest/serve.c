#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "job.h"
#include "link.h"
#include "loop.h"
#include "ops.h"
#include "proc.h"

#define VSOCK_PORT 7000

static void children_ready(struct source *s, uint32_t events)
{
    (void)events;
    struct signalfd_siginfo info;
    while (read(s->fd, &info, sizeof info) == (ssize_t)sizeof info)
        ; /* one signal may stand for many children */
    int status;
    struct rusage usage;
    for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;)
        if (!job_child_ended(pid, status))
            proc_child_ended(pid, status, &usage);
}

void serve_prepare(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        struct rlimit more = {524288, 524288};
        if (setrlimit(RLIMIT_NOFILE, &more) != 0) {
            files.rlim_cur = files.rlim_max;
            setrlimit(RLIMIT_NOFILE, &files);
        }
    }
    if (agent.role == ROLE_HOSTED)
        return;
    /* The image's init and a power-off in progress signal everything; this process is how the host still sees in. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, "-999", 4) < 0)
            perror("banger-agent: oom_score_adj");
        close(fd);
    }
}

static int open_channel(struct mux *m, const char *listen_path)
{
    char device[300];
    if (listen_path != NULL)
        return link_listen_unix(m, listen_path);
    if (link_find_port("banger.agent", device, sizeof device))
        return link_open_port(m, device);
    return link_listen_vsock(m, VSOCK_PORT);
}

int serve(const char *listen_path)
{
    static const struct mux_config config = {.request = ops_request, .hello = ops_hello};
    static struct source children;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct mux *m = mux_new(&config);
    if (m == NULL || !loop_open()) {
        perror("banger-agent: start");
        return 1;
    }
    source_init(&children, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), children_ready);
    if (!source_watch(&children, EPOLLIN)) {
        perror("banger-agent: signalfd");
        return 1;
    }
    agent.ready_ns = boottime_ns();
    if (open_channel(m, listen_path) != 0) {
        fprintf(stderr, "banger-agent: no channel to the host: %s\n", strerror(errno));
        return 1;
    }
    for (;;)
        loop_once(link_turn());
}
