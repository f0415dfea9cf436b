/* Operations 13 and 18: bytes on channel 0 become files. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fsops.h"
#include "ops.h"
#include "tar_in.h"
#include "worker.h"

static void send_done(struct stream *s, uint64_t bytes, const uint64_t *entries)
{
    uint8_t buf[64];
    struct fields_out o;
    fields_begin(&o, buf, sizeof buf);
    put_int(&o, 1, bytes);
    if (entries != NULL)
        put_int(&o, 2, *entries);
    stream_event(s, EVENT_DONE, &o);
    stream_end(s);
}

/* ---- one file ---- */

struct upload {
    struct stream *stream; /* NULL = the host does not wait for the commit any more */
    struct fs_write *write;
    struct failure failure;
    int result;
    uint64_t bytes;
};

static void upload_abort(struct upload *u)
{
    fs_write_abort(u->write);
    free(u);
}

static void write_data(struct stream *s, const uint8_t *p, size_t len)
{
    struct upload *u = s->ctx;
    if (fs_write_data(u->write, p, len, &u->failure) == 0) {
        stream_consumed(s, len);
        return;
    }
    struct failure f = u->failure;
    upload_abort(u);
    stream_failed(s, &f, NULL);
}

static void write_lost(struct stream *s)
{
    upload_abort(s->ctx);
}

static void write_cancel(struct stream *s)
{
    upload_abort(s->ctx);
    stream_end(s);
}

static void commit_lost(struct stream *s)
{
    struct upload *u = s->ctx;
    u->stream = NULL;
}

static void commit_cancel(struct stream *s)
{
    commit_lost(s);
    stream_end(s);
}

/* While the worker commits, the upload belongs to it. */
static const struct stream_ops commit_ops = {.cancel = commit_cancel, .lost = commit_lost};

static void commit_work(void *ctx)
{
    struct upload *u = ctx;
    u->result = fs_write_commit(u->write, &u->bytes, &u->failure);
}

static void commit_done(void *ctx)
{
    struct upload *u = ctx;
    if (u->stream != NULL && u->result == 0)
        send_done(u->stream, u->bytes, NULL);
    else if (u->stream != NULL)
        stream_failed(u->stream, &u->failure, NULL);
    free(u);
}

static void write_eof(struct stream *s)
{
    s->ops = &commit_ops;
    worker_run(commit_work, commit_done, s->ctx);
}

static const struct stream_ops write_ops = {.data = write_data, .eof = write_eof, .cancel = write_cancel, .lost = write_lost};

static bool get_id(struct fields f, uint16_t tag, bool *has, uint32_t *out)
{
    uint64_t v;
    int r = get_int(f, tag, &v);
    *has = r == 1;
    if (r < 0 || (r == 1 && v >= UINT32_MAX))
        return false;
    if (r == 1)
        *out = (uint32_t)v;
    return true;
}

void op_file_write(struct stream *s, struct fields f)
{
    char path[PATH_MAX];
    uint64_t mode = 0644;
    struct fs_write_options o = {0};
    struct failure failure;
    if (!op_path(s, f, 1, "path", path))
        return;
    const char *bad = NULL;
    int has_mtime = get_sint(f, 5, &o.mtime_ns);
    o.has_mtime = has_mtime == 1;
    if (get_int(f, 2, &mode) < 0 || mode > 07777)
        bad = "mode";
    else if (!get_id(f, 3, &o.has_uid, &o.uid))
        bad = "uid";
    else if (!get_id(f, 4, &o.has_gid, &o.gid))
        bad = "gid";
    else if (has_mtime < 0)
        bad = "mtime_ns";
    else if (get_bool(f, 6, &o.exclusive) < 0)
        bad = "exclusive";
    else if (get_bool(f, 7, &o.make_parents) < 0)
        bad = "make_parents";
    if (bad != NULL) {
        op_bad_field(s, bad);
        return;
    }
    o.mode = (uint32_t)mode;
    struct upload *u = calloc(1, sizeof *u);
    if (u == NULL) {
        stream_failf(s, ST_IO, ENOMEM, "no memory");
        return;
    }
    u->stream = s;
    u->write = fs_write_open(path, &o, &failure);
    if (u->write == NULL) {
        free(u);
        stream_fail(s, &failure);
        return;
    }
    s->ops = &write_ops;
    s->ctx = u;
    stream_ok(s, NULL);
    stream_accept_input(s, INPUT_WINDOW);
}

/* ---- an archive ---- */

/*
 * Members are made by a worker while the loop reads on, so that the processors of a guest share the work of many small
 * files. The inside of a large file is written at once: handing it over costs more than writing it. What the host may
 * send without an answer fits into the queue.
 */
struct unpacking {
    struct stream *stream; /* NULL = the session is gone */
    struct tar_in *tar;
    uint8_t *queue, *batch; /* INPUT_WINDOW each */
    size_t queued, size;
    bool busy, eof, cancelled;
    int result;
};

static void unpacking_free(struct unpacking *u)
{
    tar_in_close(u->tar);
    free(u->queue);
    free(u->batch);
    free(u);
}

static void unpacking_failed(struct unpacking *u)
{
    struct failure f = *tar_in_failure(u->tar);
    uint64_t entries = tar_in_entries(u->tar);
    struct stream *s = u->stream;
    unpacking_free(u);
    stream_failed(s, &f, &entries);
}

static void unpack_batch(void *ctx)
{
    struct unpacking *u = ctx;
    u->result = tar_in_push(u->tar, u->batch, u->size);
}

static void unpack_finish(void *ctx)
{
    struct unpacking *u = ctx;
    u->result = tar_in_finish(u->tar);
}

/* The worker is through. False when nothing more is to be done for this stream: `u` is gone then. */
static bool worker_through(struct unpacking *u)
{
    struct stream *s = u->stream;
    u->busy = false;
    if (s == NULL || u->cancelled) {
        unpacking_free(u); /* first: the host may look at once whether a part of a file is left */
        if (s != NULL)
            stream_end(s);
        return false;
    }
    if (u->result == 0)
        return true;
    unpacking_failed(u);
    return false;
}

static void finish_done(void *ctx)
{
    struct unpacking *u = ctx;
    if (!worker_through(u))
        return;
    struct stream *s = u->stream;
    uint64_t bytes = tar_in_bytes(u->tar), entries = tar_in_entries(u->tar);
    unpacking_free(u);
    send_done(s, bytes, &entries);
}

static void batch_done(void *ctx);

static void work_on(struct unpacking *u)
{
    if (u->busy || (u->queued == 0 && !u->eof))
        return;
    u->busy = true;
    if (u->queued == 0) {
        worker_run(unpack_finish, finish_done, u);
        return;
    }
    uint8_t *empty = u->batch;
    u->batch = u->queue;
    u->queue = empty;
    u->size = u->queued;
    u->queued = 0;
    worker_run(unpack_batch, batch_done, u);
}

static void batch_done(void *ctx)
{
    struct unpacking *u = ctx;
    if (!worker_through(u))
        return;
    stream_consumed(u->stream, u->size);
    work_on(u);
}

static void tar_data(struct stream *s, const uint8_t *p, size_t len)
{
    struct unpacking *u = s->ctx;
    if (!u->busy && tar_in_content_left(u->tar) > len) {
        if (tar_in_push(u->tar, p, len) == 0)
            stream_consumed(s, len);
        else
            unpacking_failed(u);
        return;
    }
    memcpy(u->queue + u->queued, p, len); /* fits: the window is as large as the queue */
    u->queued += len;
    work_on(u);
}

static void tar_eof(struct stream *s)
{
    struct unpacking *u = s->ctx;
    u->eof = true;
    work_on(u);
}

static void tar_lost(struct stream *s)
{
    struct unpacking *u = s->ctx;
    u->stream = NULL;
    if (!u->busy)
        unpacking_free(u);
}

static void tar_cancel(struct stream *s)
{
    struct unpacking *u = s->ctx;
    u->cancelled = true;
    if (u->busy)
        return;
    unpacking_free(u);
    stream_end(s);
}

static const struct stream_ops tar_ops = {.data = tar_data, .eof = tar_eof, .cancel = tar_cancel, .lost = tar_lost};

static struct unpacking *unpacking_new(struct stream *s, struct tar_in *tar)
{
    struct unpacking *u = calloc(1, sizeof *u);
    if (u == NULL)
        return NULL;
    *u = (struct unpacking){.stream = s, .tar = tar, .queue = malloc(INPUT_WINDOW), .batch = malloc(INPUT_WINDOW)};
    if (u->queue != NULL && u->batch != NULL)
        return u;
    free(u->queue);
    free(u->batch);
    free(u);
    return NULL;
}

void op_tar_in(struct stream *s, struct fields f)
{
    char path[PATH_MAX];
    struct tar_in_options o = {.skip_devices = true};
    struct failure failure;
    if (!op_path(s, f, 1, "path", path))
        return;
    if (get_bool(f, 2, &o.keep_owner) < 0) {
        op_bad_field(s, "keep_owner");
        return;
    }
    if (get_bool(f, 3, &o.skip_devices) < 0) {
        op_bad_field(s, "skip_devices");
        return;
    }
    struct tar_in *t = tar_in_open(path, &o, &failure);
    if (t == NULL) {
        stream_fail(s, &failure);
        return;
    }
    s->ctx = unpacking_new(s, t);
    if (s->ctx == NULL) {
        tar_in_close(t);
        stream_failf(s, ST_IO, ENOMEM, "no memory");
        return;
    }
    s->ops = &tar_ops;
    stream_ok(s, NULL);
    stream_accept_input(s, INPUT_WINDOW);
}
