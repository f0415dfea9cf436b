#include "loop.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64

static int epoll_fd = -1;
static struct timer *timers;
static struct epoll_event batch[BATCH];
static int batch_len;

uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

bool loop_open(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return epoll_fd >= 0;
}

void source_init(struct source *s, int fd, void (*ready)(struct source *, uint32_t))
{
    *s = (struct source){.fd = fd, .ready = ready};
}

bool source_watch(struct source *s, uint32_t events)
{
    if (s->fd < 0 || s->events == events)
        return s->fd >= 0;
    struct epoll_event ev = {.events = events, .data.ptr = s};
    int op = events == 0 ? EPOLL_CTL_DEL : s->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(epoll_fd, op, s->fd, &ev) != 0)
        return false;
    s->events = events;
    return true;
}

void source_forget(struct source *s)
{
    source_watch(s, 0);
    for (int i = 0; i < batch_len; i++)
        if (batch[i].data.ptr == s)
            batch[i].data.ptr = NULL;
}

void source_close(struct source *s)
{
    if (s->fd < 0)
        return;
    source_forget(s);
    close(s->fd);
    s->fd = -1;
}

void timer_cancel(struct timer *t)
{
    if (!t->armed)
        return;
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        timers = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    t->armed = false;
}

void timer_set(struct timer *t, uint64_t delay_ns, void (*fire)(struct timer *))
{
    timer_cancel(t);
    uint64_t now = now_ns();
    t->at = delay_ns > UINT64_MAX - now ? UINT64_MAX : now + delay_ns;
    t->fire = fire;
    struct timer *before = NULL, *after = timers;
    while (after != NULL && after->at <= t->at) {
        before = after;
        after = after->next;
    }
    t->prev = before;
    t->next = after;
    if (before != NULL)
        before->next = t;
    else
        timers = t;
    if (after != NULL)
        after->prev = t;
    t->armed = true;
}

static int wait_ms(bool busy)
{
    if (busy)
        return 0;
    if (timers == NULL)
        return -1;
    uint64_t now = now_ns();
    if (timers->at <= now)
        return 0;
    uint64_t ms = (timers->at - now + 999999) / 1000000;
    return ms > 3600000 ? 3600000 : (int)ms;
}

void loop_once(bool busy)
{
    int n = epoll_wait(epoll_fd, batch, BATCH, wait_ms(busy));
    batch_len = n > 0 ? n : 0;
    for (int i = 0; i < batch_len; i++) {
        struct source *s = batch[i].data.ptr;
        if (s != NULL)
            s->ready(s, batch[i].events);
    }
    batch_len = 0;
    uint64_t now = now_ns();
    while (timers != NULL && timers->at <= now) {
        struct timer *t = timers;
        timer_cancel(t);
        t->fire(t);
    }
}
