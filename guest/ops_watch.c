/* Operation 19: changes below a path. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "loop.h"
#include "ops.h"
#include "watcher.h"

struct watch {
    struct stream *stream;
    struct watcher *watcher;
    struct source src;
    bool over; /* the watcher failed; what it had queued is still sent */
    struct failure failure;
};

static void watch_free(struct watch *w)
{
    source_forget(&w->src);
    watcher_close(w->watcher); /* closes the descriptor */
    free(w);
}

static void watch_lost(struct stream *s)
{
    watch_free(s->ctx);
}

static void watch_cancel(struct stream *s)
{
    watch_free(s->ctx);
    stream_end(s);
}

static void send_event(struct stream *s, const struct watch_event *e)
{
    uint8_t buf[PATH_MAX * 2];
    struct fields_out o;
    fields_begin(&o, buf, sizeof buf);
    if (!e->overflow) {
        put_bytes(&o, 1, e->path, strlen(e->path));
        put_str(&o, 2, e->kind);
        put_bool(&o, 3, e->is_dir);
        put_int(&o, 4, e->cookie);
    }
    if (e->overflow || o.overflow)
        stream_event(s, EVENT_OVERFLOW, NULL);
    else
        stream_event(s, EVENT_CHANGED, &o);
}

/* Sends while the queue has room; the rest waits in the watcher, which knows how to overflow. */
static bool watch_pump(struct stream *s)
{
    struct watch *w = s->ctx;
    struct watch_event e;
    while (stream_queue_free(s)) {
        if (watcher_next(w->watcher, &e) == 1) {
            send_event(s, &e);
            continue;
        }
        if (w->over) {
            struct failure f = w->failure;
            watch_free(w);
            stream_failed(s, &f, NULL);
        }
        return false;
    }
    return true;
}

static void watch_ready(struct source *src, uint32_t events)
{
    (void)events;
    struct watch *w = container_of(src, struct watch, src);
    if (watcher_pump(w->watcher, &w->failure) != 0) {
        w->over = true;
        source_watch(src, 0);
    }
    stream_ready(w->stream);
}

static const struct stream_ops watch_ops = {.cancel = watch_cancel, .lost = watch_lost, .pump = watch_pump};

void op_file_watch(struct stream *s, struct fields f)
{
    char path[PATH_MAX];
    bool recursive = false;
    struct failure failure;
    if (!op_path(s, f, 1, "path", path))
        return;
    if (get_bool(f, 2, &recursive) < 0) {
        op_bad_field(s, "recursive");
        return;
    }
    struct watch *w = calloc(1, sizeof *w);
    if (w == NULL) {
        stream_failf(s, ST_IO, ENOMEM, "no memory");
        return;
    }
    w->watcher = watcher_open(path, recursive, &failure);
    if (w->watcher == NULL) {
        free(w);
        stream_fail(s, &failure);
        return;
    }
    w->stream = s;
    source_init(&w->src, watcher_fd(w->watcher), watch_ready);
    source_watch(&w->src, EPOLLIN);
    s->ops = &watch_ops;
    s->ctx = w;
    stream_ok(s, NULL);
}
