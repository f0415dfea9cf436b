/*
 * The agent's only event loop: epoll for descriptors, one sorted list of deadlines. It sleeps until something happens;
 * nothing in the agent wakes up periodically.
 */
#ifndef BANGER_LOOP_H
#define BANGER_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct source {
    int fd;          /* -1 = not in use */
    uint32_t events; /* what epoll watches now, 0 = not registered */
    void (*ready)(struct source *s, uint32_t events);
};

struct timer {
    struct timer *next, *prev;
    uint64_t at;
    bool armed;
    void (*fire)(struct timer *t);
};

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - __builtin_offsetof(type, member)))

uint64_t now_ns(void); /* CLOCK_MONOTONIC */

bool loop_open(void);
void source_init(struct source *s, int fd, void (*ready)(struct source *, uint32_t));
/* With 0 the descriptor leaves epoll altogether: otherwise EPOLLHUP, which cannot be masked, would spin the loop. */
bool source_watch(struct source *s, uint32_t events);
/* Unregisters; an event of it that is already fetched is not delivered any more. */
void source_forget(struct source *s);
/* Forgets and closes. */
void source_close(struct source *s);

void timer_set(struct timer *t, uint64_t delay_ns, void (*fire)(struct timer *));
void timer_cancel(struct timer *t);

/* Waits once (not at all when `busy`) and runs what is due. */
void loop_once(bool busy);

#endif
