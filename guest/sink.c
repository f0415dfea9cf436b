#include "sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static void consumed(struct sink *s, size_t n)
{
    if (s->stream != NULL)
        stream_consumed(s->stream, n);
}

static void drop_pending(struct sink *s)
{
    consumed(s, s->len - s->off);
    free(s->buf);
    s->buf = NULL;
    s->off = s->len = 0;
}

void sink_close(struct sink *s)
{
    drop_pending(s);
    source_close(&s->src);
}

static void finish(struct sink *s)
{
    s->eof = false;
    if (s->finish != NULL)
        s->finish(s);
    else
        sink_close(s);
}

/* Bytes written, 0 = not now. A reader that is gone closes the sink: later input is accepted and dropped. */
static size_t try_write(struct sink *s, const uint8_t *p, size_t n)
{
    ssize_t r = write(s->src.fd, p, n);
    if (r >= 0) {
        consumed(s, (size_t)r);
        return (size_t)r;
    }
    if (errno != EAGAIN && errno != EINTR)
        sink_close(s);
    return 0;
}

static void sink_ready(struct source *src, uint32_t events)
{
    (void)events;
    struct sink *s = container_of(src, struct sink, src);
    s->off += (uint32_t)try_write(s, s->buf + s->off, s->len - s->off);
    if (s->src.fd < 0 || s->off < s->len)
        return;
    drop_pending(s);
    source_watch(&s->src, 0);
    if (s->eof)
        finish(s);
}

void sink_init(struct sink *s, int fd)
{
    *s = (struct sink){0};
    source_init(&s->src, fd, sink_ready);
}

void sink_write(struct sink *s, const uint8_t *p, size_t n)
{
    if (s->src.fd >= 0 && s->len == 0) {
        size_t done = try_write(s, p, n);
        p += done;
        n -= done;
    }
    if (n == 0)
        return;
    if (s->src.fd >= 0 && s->buf == NULL)
        s->buf = malloc(INPUT_WINDOW);
    if (s->src.fd < 0 || s->buf == NULL) {
        consumed(s, n);
        return;
    }
    if (s->len + n > INPUT_WINDOW) {
        memmove(s->buf, s->buf + s->off, s->len - s->off);
        s->len -= s->off;
        s->off = 0;
    }
    memcpy(s->buf + s->len, p, n); /* fits: the window is as large as the buffer */
    s->len += (uint32_t)n;
    source_watch(&s->src, EPOLLOUT);
}

void sink_eof(struct sink *s)
{
    if (s->src.fd < 0)
        return;
    if (s->len == 0)
        finish(s);
    else
        s->eof = true;
}

uint32_t sink_pending(const struct sink *s)
{
    return s->len - s->off;
}
