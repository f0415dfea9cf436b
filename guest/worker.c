#include "worker.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop.h"

#define THREADS_MAX 16
#define STACK (256 * 1024)

struct task {
    struct task *next;
    void (*work)(void *), (*done)(void *);
    void *ctx;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct task *finished;
static struct source wake = {.fd = -1};
static unsigned threads; /* only used in the loop's thread */

static void *run(void *arg)
{
    struct task *t = arg;
    t->work(t->ctx);
    pthread_mutex_lock(&lock);
    t->next = finished;
    finished = t;
    pthread_mutex_unlock(&lock);
    uint64_t one = 1;
    ssize_t n = write(wake.fd, &one, sizeof one);
    (void)n;
    return NULL;
}

static void wake_ready(struct source *s, uint32_t events)
{
    (void)events;
    uint64_t count;
    ssize_t n = read(s->fd, &count, sizeof count);
    (void)n;
    pthread_mutex_lock(&lock);
    struct task *t = finished;
    finished = NULL;
    pthread_mutex_unlock(&lock);
    while (t != NULL) {
        struct task *next = t->next;
        threads--;
        t->done(t->ctx);
        free(t);
        t = next;
    }
}

static int start_thread(struct task *t)
{
    pthread_attr_t attr;
    pthread_t thread;
    if (wake.fd < 0) {
        source_init(&wake, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), wake_ready);
        if (!source_watch(&wake, EPOLLIN)) {
            source_close(&wake);
            return -1;
        }
    }
    if (threads >= THREADS_MAX || pthread_attr_init(&attr) != 0)
        return -1;
    pthread_attr_setstacksize(&attr, STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int r = pthread_create(&thread, &attr, run, t);
    pthread_attr_destroy(&attr);
    if (r == 0)
        threads++;
    return r;
}

void worker_run(void (*work)(void *), void (*done)(void *), void *ctx)
{
    struct task *t = malloc(sizeof *t);
    if (t != NULL) {
        *t = (struct task){NULL, work, done, ctx};
        if (start_thread(t) == 0)
            return;
        free(t);
    }
    work(ctx);
    done(ctx);
}
