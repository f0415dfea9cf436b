/* Operations 11, 12 and 17: answers that are a stream of bytes on channel 1. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "entry.h"
#include "fsops.h"
#include "ops.h"
#include "tar_out.h"
#include "tree_list.h"

struct download {
    /* The next bytes: their number, 0 = all sent, -1 = failed. */
    ssize_t (*fill)(struct download *d, uint8_t *buf, size_t cap, struct failure *f);
    struct tar_out *tar;
    struct fs_list *list;
    struct tree_list *tree;
    int fd;
    uint64_t left; /* of the file */
    char path[PATH_MAX];
    /* The record of the list that did not fit as a whole. */
    uint8_t record[4 + ENTRY_BYTES_MAX];
    size_t record_len, record_off;
};

static void download_free(struct download *d)
{
    if (d->tar != NULL)
        tar_out_close(d->tar);
    if (d->list != NULL)
        fs_list_close(d->list);
    tree_list_close(d->tree);
    if (d->fd >= 0)
        close(d->fd);
    free(d);
}

static void download_lost(struct stream *s)
{
    download_free(s->ctx);
}

static void download_cancel(struct stream *s)
{
    download_free(s->ctx);
    stream_end(s);
}

static void download_done(struct stream *s, struct download *d)
{
    stream_eof(s, CHANNEL_OUT);
    if (d->tar != NULL) {
        uint8_t buf[64];
        struct fields_out o;
        fields_begin(&o, buf, sizeof buf);
        put_int(&o, 1, tar_out_bytes(d->tar));
        put_int(&o, 2, tar_out_entries(d->tar));
        stream_event(s, EVENT_DONE, &o);
    }
    download_free(d);
    stream_end(s);
}

static bool download_pump(struct stream *s)
{
    struct download *d = s->ctx;
    struct failure failure = {0};
    size_t room = stream_can_send(s, CHANNEL_OUT);
    if (room == 0)
        return s->credit[CHANNEL_OUT] != 0;
    ssize_t n = d->fill(d, stream_buffer(s), room, &failure);
    if (n > 0) {
        stream_send_buffer(s, CHANNEL_OUT, (size_t)n);
        return s->credit[CHANNEL_OUT] != 0;
    }
    if (n == 0) {
        download_done(s, d);
    } else {
        download_free(d);
        stream_failed(s, &failure, NULL);
    }
    return false;
}

static const struct stream_ops download_ops = {.cancel = download_cancel, .lost = download_lost, .pump = download_pump};

static struct download *download_new(struct stream *s, struct fields f)
{
    struct download *d = calloc(1, sizeof *d);
    if (d == NULL) {
        stream_failf(s, ST_IO, ENOMEM, "no memory");
        return NULL;
    }
    d->fd = -1;
    if (!op_path(s, f, 1, "path", d->path)) {
        free(d);
        return NULL;
    }
    return d;
}

static void download_refuse(struct download *d, struct stream *s, const struct failure *f)
{
    download_free(d);
    stream_fail(s, f);
}

static void download_begin(struct download *d, struct stream *s,
                           ssize_t (*fill)(struct download *, uint8_t *, size_t, struct failure *))
{
    d->fill = fill;
    s->ops = &download_ops;
    s->ctx = d;
    stream_ready(s);
}

static ssize_t fill_tar(struct download *d, uint8_t *buf, size_t cap, struct failure *f)
{
    return tar_out_read(d->tar, buf, cap, f);
}

void op_tar_out(struct stream *s, struct fields f)
{
    char name[PATH_MAX];
    struct tar_out_options options = {0};
    struct fs_entry entry;
    struct failure failure;
    struct download *d = download_new(s, f);
    if (d == NULL)
        return;
    int named = get_text(f, 2, name, sizeof name);
    int one = get_bool(f, 3, &options.one_file_system);
    if (named < 0 || one < 0) {
        download_free(d);
        op_bad_field(s, named < 0 ? "name" : "one_file_system");
        return;
    }
    if (named == 1)
        options.name = name;
    d->tar = tar_out_open(d->path, &options, &entry, &failure);
    if (d->tar == NULL) {
        download_refuse(d, s, &failure);
        return;
    }
    op_answer_entry(s, &entry);
    download_begin(d, s, fill_tar);
}

static ssize_t fill_file(struct download *d, uint8_t *buf, size_t cap, struct failure *f)
{
    if (cap > d->left)
        cap = (size_t)d->left;
    if (cap == 0)
        return 0;
    ssize_t n;
    do
        n = read(d->fd, buf, cap);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return failure_errno(f, errno, "read", d->path);
    d->left -= (uint64_t)n;
    return n;
}

void op_file_read(struct stream *s, struct fields f)
{
    uint64_t offset = 0, limit = 0;
    struct fs_entry entry;
    struct failure failure;
    struct download *d = download_new(s, f);
    if (d == NULL)
        return;
    int has_offset = get_int(f, 2, &offset), has_limit = get_int(f, 3, &limit);
    if (has_offset < 0 || has_limit < 0 || offset > INT64_MAX) {
        download_free(d);
        op_bad_field(s, has_limit < 0 ? "limit" : "offset");
        return;
    }
    d->left = limit != 0 ? limit : UINT64_MAX;
    d->fd = fs_read_open(d->path, offset, &entry, &failure);
    if (d->fd < 0) {
        download_refuse(d, s, &failure);
        return;
    }
    op_answer_entry(s, &entry);
    download_begin(d, s, fill_file);
}

/* Makes the next record; 1, 0 at the end, -1. */
static int next_record(struct download *d, struct failure *f)
{
    struct fs_entry entry;
    const char *name = entry.name;
    int r = d->tree != NULL ? tree_list_next(d->tree, &entry, &name, f) : fs_list_next(d->list, &entry, f);
    if (r != 1)
        return r;
    struct fields_out o;
    fields_begin(&o, d->record + 4, sizeof d->record - 4);
    put_entry(&o, &entry, name);
    put_u32(d->record, (uint32_t)o.len);
    d->record_len = 4 + o.len;
    d->record_off = 0;
    return 1;
}

static ssize_t fill_list(struct download *d, uint8_t *buf, size_t cap, struct failure *f)
{
    size_t len = 0;
    while (len < cap) {
        if (d->record_off == d->record_len) {
            int r = next_record(d, f);
            if (r < 0)
                return -1;
            if (r == 0)
                break;
        }
        size_t n = d->record_len - d->record_off;
        if (n > cap - len)
            n = cap - len;
        memcpy(buf + len, d->record + d->record_off, n);
        d->record_off += n;
        len += n;
    }
    return (ssize_t)len;
}

void op_file_list(struct stream *s, struct fields f)
{
    struct failure failure;
    bool recursive = false;
    char skip[PATH_MAX] = "";
    struct download *d = download_new(s, f);
    if (d == NULL)
        return;
    int has_recursive = get_bool(f, 2, &recursive), has_skip = get_text(f, 3, skip, sizeof skip);
    if (has_recursive < 0 || has_skip < 0) {
        download_free(d);
        op_bad_field(s, has_skip < 0 ? "skip" : "recursive");
        return;
    }
    if (recursive)
        d->tree = tree_list_open(d->path, skip, &failure);
    else
        d->list = fs_list_open(d->path, &failure);
    if (d->list == NULL && d->tree == NULL) {
        download_refuse(d, s, &failure);
        return;
    }
    stream_ok(s, NULL);
    download_begin(d, s, fill_list);
}
