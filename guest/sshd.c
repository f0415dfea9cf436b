#include "sshd.h"

#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "loop.h"
#include "textfile.h"

#define FOLDER "/run"
#define PID_FILE "sshd.pid" /* written as soon as it listens, and removed when it begins anew: sshd(8), FILES */
#define REST_NS 2000000000ull
#define RESTART_NS 5000000000ull

static int stopped; /* its process id while it stands still */
static struct timer rest, limit;
static bool again; /* its keys were replaced while it began anew: which ones it has read is not known */
static struct source restarting = {.fd = -1};
static struct sshd_waiter *waiters;

/* 0 = there is none, or the number is somebody else's by now. */
static int server_pid(void)
{
    char path[64], exe[PATH_MAX];
    char *text = text_read(FOLDER "/" PID_FILE);
    int pid = text != NULL ? atoi(text) : 0;
    free(text);
    if (pid <= 1)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    ssize_t n = readlink(path, exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = 0;
    const char *base = strrchr(exe, '/');
    return base != NULL && strncmp(base, "/sshd", 5) == 0 ? pid : 0;
}

static void restart(void);

static void restarted(void)
{
    timer_cancel(&limit);
    source_close(&restarting);
    if (again) {
        again = false;
        sshd_renewed();
        if (waiters != NULL && stopped != 0)
            restart();
        if (limit.armed)
            return;
    }
    while (waiters != NULL) {
        struct sshd_waiter *w = waiters;
        waiters = w->next;
        w->waiting = false;
        w->ready(w);
    }
}

static void restart_late(struct timer *t)
{
    (void)t;
    restarted();
}

static void folder_changed(struct source *s, uint32_t events)
{
    (void)events;
    _Alignas(struct inotify_event) char buf[4096];
    ssize_t n = read(s->fd, buf, sizeof buf);
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *e = (const void *)(buf + at);
        if (e->len > 0 && strcmp(e->name, PID_FILE) == 0) {
            restarted();
            return;
        }
        at += (ssize_t)(sizeof *e + e->len);
    }
}

static void restart(void)
{
    int pid = stopped;
    stopped = 0;
    timer_cancel(&rest);
    if (server_pid() != pid) /* it ended meanwhile; another one reads the keys when it starts */
        return;
    source_close(&restarting);
    source_init(&restarting, inotify_init1(IN_NONBLOCK | IN_CLOEXEC), folder_changed);
    if (restarting.fd >= 0 && inotify_add_watch(restarting.fd, FOLDER, IN_CLOSE_WRITE) >= 0)
        source_watch(&restarting, EPOLLIN);
    timer_set(&limit, RESTART_NS, restart_late);
    kill(pid, SIGHUP);
    kill(pid, SIGCONT);
}

static void rested(struct timer *t)
{
    (void)t;
    restart();
}

void sshd_renewed(void)
{
    if (limit.armed) {
        again = true;
        return;
    }
    if (stopped == 0) {
        stopped = server_pid();
        if (stopped != 0 && kill(stopped, SIGSTOP) != 0)
            stopped = 0;
    }
    if (stopped != 0)
        timer_set(&rest, REST_NS, rested);
}

bool sshd_wanted(struct sshd_waiter *w, void (*ready)(struct sshd_waiter *w))
{
    if (stopped != 0)
        restart();
    if (!limit.armed)
        return false;
    *w = (struct sshd_waiter){waiters, true, ready};
    waiters = w;
    return true;
}

void sshd_wait_cancel(struct sshd_waiter *w)
{
    for (struct sshd_waiter **at = &waiters; w->waiting && *at != NULL; at = &(*at)->next) {
        if (*at != w)
            continue;
        *at = w->next;
        w->waiting = false;
        return;
    }
}
