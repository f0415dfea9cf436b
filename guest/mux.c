#include "mux.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define CHUNK (FRAME_HEADER + MAX_DATA)
#define SPARE_CHUNKS 8
#define SMALL_DATA 8192 /* less is copied into the last chunk, so that many tiny frames do not hold a chunk each */
#define BUCKETS 256
#define IN_CAP (FRAME_HEADER + MAX_PAYLOAD + 65536)
#define MIN_ZERO_RUN FRAME_HEADER

struct chunk {
    struct chunk *next;
    size_t off, len, cap;
    uint8_t data[];
};

enum state { WAIT_SYNC, FRAMES };

struct mux {
    struct mux_config config;
    enum state state;
    uint64_t session;
    /* Sync: zero bytes seen in a row, and how much of mark + nonce. */
    size_t zero_run, mark_len;
    uint8_t mark[SYNC_MARK_LEN + SYNC_NONCE_LEN];
    uint32_t last_id;
    unsigned streams;
    struct stream *bucket[BUCKETS];
    struct stream *ready_first, *ready_last;
    size_t in_start, in_end;
    struct chunk *out_first, *out_last, *spare, *scratch;
    unsigned spares;
    size_t out_size; /* memory held by queued chunks, not the bytes in them: that is what has to be bounded */
    uint8_t in[IN_CAP];
};

/* ---- output queue ---- */

/* Out of memory inside a VM that runs anything at all: the agent cannot do better than to stop loudly. */
static void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

static struct chunk *chunk_get(struct mux *m, size_t cap)
{
    struct chunk *c;
    if (cap <= CHUNK && m->spare != NULL) {
        c = m->spare;
        m->spare = c->next;
        m->spares--;
    } else {
        size_t size = cap <= CHUNK ? CHUNK : cap;
        c = must(malloc(sizeof *c + size));
        c->cap = size;
    }
    c->next = NULL;
    c->off = c->len = 0;
    return c;
}

static void chunk_put(struct mux *m, struct chunk *c)
{
    if (c->cap != CHUNK || m->spares >= SPARE_CHUNKS) {
        free(c);
        return;
    }
    c->next = m->spare;
    m->spare = c;
    m->spares++;
}

static void queue_append(struct mux *m, struct chunk *c)
{
    if (m->out_last != NULL)
        m->out_last->next = c;
    else
        m->out_first = c;
    m->out_last = c;
    m->out_size += c->cap;
}

/* Room for `n` bytes at the end of the queue, already counted as filled. */
static uint8_t *queue_room(struct mux *m, size_t n)
{
    struct chunk *c = m->out_last;
    if (c == NULL || c->cap - c->len < n) {
        c = chunk_get(m, n);
        queue_append(m, c);
    }
    uint8_t *p = c->data + c->len;
    c->len += n;
    return p;
}

static uint8_t *queue_frame(struct mux *m, enum frame_type type, uint32_t stream, uint8_t channel, size_t len)
{
    uint8_t *p = queue_room(m, FRAME_HEADER + len);
    frame_header_encode(p, &(struct frame_header){(uint32_t)len, stream, (uint8_t)type, channel, 0});
    return p + FRAME_HEADER;
}

static void queue_clear(struct mux *m)
{
    while (m->out_first != NULL) {
        struct chunk *c = m->out_first;
        m->out_first = c->next;
        chunk_put(m, c);
    }
    m->out_last = NULL;
    m->out_size = 0;
}

bool mux_has_output(const struct mux *m)
{
    return m->out_first != NULL;
}

int mux_flush(struct mux *m, int fd)
{
    while (m->out_first != NULL) {
        struct iovec iov[32];
        int n = 0;
        for (struct chunk *c = m->out_first; c != NULL && n < 32; c = c->next)
            iov[n++] = (struct iovec){c->data + c->off, c->len - c->off};
        ssize_t done = writev(fd, iov, n);
        if (done < 0) {
            if (errno == EINTR)
                continue;
            return errno == EAGAIN ? 0 : -1;
        }
        while (done > 0) {
            struct chunk *c = m->out_first;
            size_t left = c->len - c->off;
            if ((size_t)done < left) {
                c->off += (size_t)done;
                break;
            }
            done -= (ssize_t)left;
            m->out_first = c->next;
            if (m->out_first == NULL)
                m->out_last = NULL;
            m->out_size -= c->cap;
            chunk_put(m, c);
        }
    }
    return 1;
}

/* ---- streams ---- */

static struct stream **stream_slot(struct mux *m, uint32_t id)
{
    struct stream **p = &m->bucket[id % BUCKETS];
    while (*p != NULL && (*p)->id != id)
        p = &(*p)->hash_next;
    return p;
}

static void ready_remove(struct stream *s)
{
    if (!s->ready)
        return;
    struct mux *m = s->mux;
    if (s->ready_prev != NULL)
        s->ready_prev->ready_next = s->ready_next;
    else
        m->ready_first = s->ready_next;
    if (s->ready_next != NULL)
        s->ready_next->ready_prev = s->ready_prev;
    else
        m->ready_last = s->ready_prev;
    s->ready = false;
}

void stream_ready(struct stream *s)
{
    if (s->ready || s->ops == NULL || s->ops->pump == NULL)
        return;
    struct mux *m = s->mux;
    s->ready = true;
    s->ready_next = NULL;
    s->ready_prev = m->ready_last;
    if (m->ready_last != NULL)
        m->ready_last->ready_next = s;
    else
        m->ready_first = s;
    m->ready_last = s;
}

static void stream_free(struct stream *s)
{
    ready_remove(s);
    *stream_slot(s->mux, s->id) = s->hash_next;
    s->mux->streams--;
    free(s);
}

void stream_ok(struct stream *s, const struct fields_out *fields)
{
    if (s->responded)
        return;
    if (fields != NULL && (fields->overflow || fields->len > MAX_PAYLOAD - 2)) {
        /* Never half an answer. Callers with long lists shorten them before. */
        static const char text[] = "the answer is too long";
        uint8_t buf[64];
        struct fields_out o;
        fields_begin(&o, buf, sizeof buf);
        put_int(&o, 1, 0);
        put_str(&o, 2, text);
        uint8_t *p = queue_frame(s->mux, FRAME_RESPONSE, s->id, 0, 2 + o.len);
        put_u16(p, ST_TOO_LARGE);
        memcpy(p + 2, buf, o.len);
        s->responded = true;
        return;
    }
    size_t len = fields != NULL ? fields->len : 0;
    uint8_t *p = queue_frame(s->mux, FRAME_RESPONSE, s->id, 0, 2 + len);
    put_u16(p, ST_OK);
    if (len != 0)
        memcpy(p + 2, fields->buf, len);
    s->responded = true;
}

static void put_failure(struct fields_out *o, const struct failure *f, uint16_t first_tag)
{
    put_int(o, first_tag, (uint64_t)f->err);
    put_str(o, (uint16_t)(first_tag + 1), f->message);
}

void stream_fail(struct stream *s, const struct failure *f)
{
    if (!s->responded) {
        uint8_t buf[FAILURE_MESSAGE_MAX + 64];
        struct fields_out o;
        fields_begin(&o, buf, sizeof buf);
        put_failure(&o, f, 1);
        uint8_t *p = queue_frame(s->mux, FRAME_RESPONSE, s->id, 0, 2 + o.len);
        put_u16(p, (uint16_t)f->status);
        memcpy(p + 2, buf, o.len);
        s->responded = true;
    }
    stream_end(s);
}

void stream_failf(struct stream *s, enum status status, int err, const char *format, ...)
{
    struct failure f = {.status = status, .err = err};
    va_list args;
    va_start(args, format);
    vsnprintf(f.message, sizeof f.message, format, args);
    va_end(args);
    stream_fail(s, &f);
}

void stream_event(struct stream *s, enum event e, const struct fields_out *fields)
{
    size_t len = fields != NULL ? fields->len : 0;
    uint8_t *p = queue_frame(s->mux, FRAME_EVENT, s->id, 0, 2 + len);
    put_u16(p, (uint16_t)e);
    if (len != 0)
        memcpy(p + 2, fields->buf, len);
}

void stream_failed(struct stream *s, const struct failure *f, const uint64_t *entries)
{
    uint8_t buf[FAILURE_MESSAGE_MAX + 64];
    struct fields_out o;
    fields_begin(&o, buf, sizeof buf);
    put_int(&o, 1, f->status);
    put_failure(&o, f, 2);
    if (entries != NULL)
        put_int(&o, 4, *entries);
    stream_event(s, EVENT_FAILED, &o);
    stream_end(s);
}

void stream_eof(struct stream *s, enum channel c)
{
    if (s->out_eof[c])
        return;
    s->out_eof[c] = true;
    queue_frame(s->mux, FRAME_EOF, s->id, (uint8_t)c, 0);
}

void stream_end(struct stream *s)
{
    queue_frame(s->mux, FRAME_END, s->id, 0, 0);
    stream_free(s);
}

static void send_credit(struct stream *s, uint32_t n)
{
    put_u32(queue_frame(s->mux, FRAME_CREDIT, s->id, CHANNEL_IN, 4), n);
    s->window += n;
}

void stream_accept_input(struct stream *s, uint32_t window)
{
    if (window != 0)
        send_credit(s, window);
}

void stream_consumed(struct stream *s, size_t n)
{
    s->consumed += (uint32_t)n;
    /* A quarter of the window at a time: few CREDIT frames, and the host never runs dry while we keep up. */
    if (s->consumed >= INPUT_WINDOW / 4 && !s->in_eof) {
        send_credit(s, s->consumed);
        s->consumed = 0;
    }
}

bool stream_queue_free(const struct stream *s)
{
    return s->mux->out_size < OUT_HIGH;
}

size_t stream_can_send(const struct stream *s, enum channel c)
{
    if (s->out_eof[c] || s->mux->out_size >= OUT_HIGH)
        return 0;
    return s->credit[c] < MAX_DATA ? s->credit[c] : MAX_DATA;
}

uint8_t *stream_buffer(struct stream *s)
{
    struct mux *m = s->mux;
    if (m->scratch == NULL)
        m->scratch = chunk_get(m, CHUNK);
    return m->scratch->data + FRAME_HEADER;
}

void stream_send_buffer(struct stream *s, enum channel c, size_t n)
{
    struct mux *m = s->mux;
    if (n == 0 || s->out_eof[c])
        return;
    s->credit[c] -= (uint32_t)n;
    if (n <= SMALL_DATA) {
        memcpy(queue_frame(m, FRAME_DATA, s->id, (uint8_t)c, n), m->scratch->data + FRAME_HEADER, n);
        return;
    }
    struct chunk *k = m->scratch;
    m->scratch = NULL;
    frame_header_encode(k->data, &(struct frame_header){(uint32_t)n, s->id, FRAME_DATA, (uint8_t)c, 0});
    k->len = FRAME_HEADER + n;
    queue_append(m, k);
}

void stream_send(struct stream *s, enum channel c, const void *p, size_t n)
{
    if (n == 0 || s->out_eof[c])
        return;
    s->credit[c] -= (uint32_t)n;
    memcpy(queue_frame(s->mux, FRAME_DATA, s->id, (uint8_t)c, n), p, n);
}

bool mux_pump(struct mux *m)
{
    /* Each stream that is ready now gets one turn; those that want more are queued behind the others. */
    struct stream *last = m->ready_last;
    while (m->ready_first != NULL && m->out_size < OUT_HIGH) {
        struct stream *s = m->ready_first;
        bool was_last = s == last;
        uint32_t id = s->id;
        ready_remove(s);
        if (s->ops->pump(s)) {
            s = *stream_slot(m, id);
            if (s != NULL)
                stream_ready(s);
        }
        if (was_last)
            break;
    }
    return m->ready_first != NULL && m->out_size < OUT_HIGH;
}

/* ---- sessions ---- */

static void streams_lost(struct mux *m)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        while (m->bucket[i] != NULL) {
            struct stream *s = m->bucket[i];
            if (s->ops != NULL && s->ops->lost != NULL)
                s->ops->lost(s);
            stream_free(s);
        }
    }
}

/* Stops parsing; the next sync starts a session. The zeros just seen count for it. */
static void session_stop(struct mux *m, size_t zeros_seen)
{
    streams_lost(m);
    queue_clear(m);
    m->state = WAIT_SYNC;
    m->zero_run = zeros_seen;
    m->mark_len = 0;
}

void mux_reset(struct mux *m)
{
    m->in_start = m->in_end = 0;
    session_stop(m, MIN_ZERO_RUN);
}

static void session_start(struct mux *m)
{
    m->state = FRAMES;
    m->last_id = 0;
    m->session++;
    memcpy(queue_room(m, sizeof m->mark), m->mark, sizeof m->mark);
    uint8_t buf[4096];
    struct fields_out o;
    fields_begin(&o, buf, sizeof buf);
    m->config.hello(&o, m->session);
    memcpy(queue_frame(m, FRAME_HELLO, 0, 0, o.len), buf, o.len);
}

/* Looks for zeros, mark and nonce. Takes bytes until the session starts or none are left. */
static void sync_parse(struct mux *m)
{
    static const char mark[] = SYNC_MARK;
    while (m->in_start < m->in_end) {
        uint8_t b = m->in[m->in_start];
        if (m->mark_len == 0 && b == 0) {
            m->zero_run++;
            m->in_start++;
            continue;
        }
        if (m->mark_len < SYNC_MARK_LEN && (m->zero_run < MIN_ZERO_RUN || b != (uint8_t)mark[m->mark_len])) {
            /* A mark in the middle of other data is data. The byte is looked at again when it may start a zero run. */
            m->in_start += m->mark_len == 0;
            m->zero_run = 0;
            m->mark_len = 0;
            continue;
        }
        m->mark[m->mark_len++] = b;
        m->in_start++;
        if (m->mark_len == sizeof m->mark) {
            m->mark_len = 0;
            m->zero_run = 0;
            session_start(m);
            return;
        }
    }
}

static void request(struct mux *m, uint32_t id, const uint8_t *p, size_t len)
{
    struct stream *s = must(calloc(1, sizeof *s));
    s->mux = m;
    s->id = id;
    s->hash_next = m->bucket[id % BUCKETS];
    m->bucket[id % BUCKETS] = s;
    m->last_id = id;
    if (++m->streams > MAX_STREAMS) {
        stream_failf(s, ST_TOO_MANY, 0, "more than %u streams are open", MAX_STREAMS);
        return;
    }
    m->config.request(s, get_u16(p), (struct fields){p + 2, len - 2});
}

/* One complete frame; false = protocol violation. */
static bool frame(struct mux *m, const struct frame_header *h, const uint8_t *p)
{
    if (h->type == FRAME_REQUEST) {
        if (h->stream <= m->last_id || !fields_valid((struct fields){p + 2, h->length - 2}))
            return false;
        request(m, h->stream, p, h->length);
        return true;
    }
    struct stream *s = *stream_slot(m, h->stream);
    if (s == NULL) /* already ended on our side while this was under way, or never opened */
        return h->stream <= m->last_id;
    switch (h->type) {
    case FRAME_DATA:
        if (h->length > s->window || s->in_eof)
            return false;
        s->window -= h->length;
        if (s->ops != NULL && s->ops->data != NULL)
            s->ops->data(s, p, h->length);
        else
            stream_consumed(s, h->length);
        return true;
    case FRAME_CREDIT: {
        uint32_t n = get_u32(p);
        if (n > MAX_WINDOW || s->credit[h->channel] + n > MAX_WINDOW)
            return false;
        s->credit[h->channel] += n;
        stream_ready(s);
        return true;
    }
    case FRAME_EOF:
        if (s->in_eof)
            return false;
        s->in_eof = true;
        if (s->ops != NULL && s->ops->eof != NULL)
            s->ops->eof(s);
        return true;
    case FRAME_CANCEL:
        if (s->ops != NULL && s->ops->cancel != NULL)
            s->ops->cancel(s);
        else
            stream_failf(s, ST_IO, 0, "cancelled");
        return true;
    default:
        return false;
    }
}

static bool all_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

/*
 * A frame that the host left unfinished is completed by the zeros of the next session's padding, and would reach a
 * process as zeros. When the bytes after a frame that ends in zero are padding too, it is such a frame. (A frame at
 * the very end of what was read cannot be judged: it is handled, because waiting would delay honest data.)
 */
static bool completed_by_padding(const struct mux *m, const uint8_t *next, size_t frame_len)
{
    size_t have = (size_t)(m->in + m->in_end - next);
    return have >= FRAME_HEADER && all_zero(next, FRAME_HEADER) && frame_len > 0 && next[-1] == 0;
}

static void frames_parse(struct mux *m)
{
    while (m->state == FRAMES && m->in_end - m->in_start >= FRAME_HEADER && m->out_size < OUT_HARD) {
        const uint8_t *p = m->in + m->in_start;
        struct frame_header h;
        if (!frame_header_decode(p, &h)) {
            session_stop(m, 0);
            return;
        }
        if (h.type == FRAME_PADDING) {
            m->in_start += FRAME_HEADER;
            session_stop(m, MIN_ZERO_RUN);
            return;
        }
        if (m->in_end - m->in_start < FRAME_HEADER + h.length)
            return;
        m->in_start += FRAME_HEADER + h.length;
        if (completed_by_padding(m, p + FRAME_HEADER + h.length, h.length))
            continue;
        if (!frame(m, &h, p + FRAME_HEADER)) {
            session_stop(m, 0);
            return;
        }
    }
}

void mux_resume(struct mux *m)
{
    for (;;) {
        size_t before = m->in_start;
        enum state state = m->state;
        if (state == WAIT_SYNC)
            sync_parse(m);
        else
            frames_parse(m);
        if (m->in_start == before && m->state == state)
            break;
    }
    if (m->in_start == m->in_end)
        m->in_start = m->in_end = 0;
}

size_t mux_input_space(struct mux *m, uint8_t **p)
{
    if (mux_input_blocked(m))
        return 0;
    /* Parsed bytes are only moved away when a whole frame might not fit behind them: usually never for big frames. */
    if (m->in_start != 0 && IN_CAP - m->in_end < 65536) {
        memmove(m->in, m->in + m->in_start, m->in_end - m->in_start);
        m->in_end -= m->in_start;
        m->in_start = 0;
    }
    *p = m->in + m->in_end;
    return IN_CAP - m->in_end;
}

void mux_input(struct mux *m, size_t n)
{
    m->in_end += n;
    mux_resume(m);
}

bool mux_input_blocked(const struct mux *m)
{
    return m->out_size >= OUT_HARD;
}

struct mux *mux_new(const struct mux_config *config)
{
    struct mux *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    m->config = *config;
    mux_reset(m);
    return m;
}

void mux_free(struct mux *m)
{
    mux_reset(m);
    while (m->spare != NULL) {
        struct chunk *c = m->spare;
        m->spare = c->next;
        free(c);
    }
    free(m->scratch);
    free(m);
}
