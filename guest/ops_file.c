/* Operations 10 and 14 to 16: single answers about files. */
#include <limits.h>
#include <stdlib.h>

#include "entry.h"
#include "fsops.h"
#include "ops.h"

#define REMOVE_BUDGET 256 /* entries per turn of the loop */

bool op_path(struct stream *s, struct fields f, uint16_t tag, const char *field, char *out)
{
    if (get_text(f, tag, out, PATH_MAX) == 1 && out[0] != 0)
        return true;
    op_bad_field(s, field);
    return false;
}

void op_answer_entry(struct stream *s, const struct fs_entry *e)
{
    uint8_t buf[ENTRY_BYTES_MAX];
    struct fields_out o;
    fields_begin(&o, buf, sizeof buf);
    size_t rec = rec_begin(&o, 1);
    put_entry(&o, e, e->name);
    rec_end(&o, rec);
    stream_ok(s, &o);
}

static void answer(struct stream *s, int result, const struct failure *f)
{
    if (result == 0)
        op_done(s);
    else
        stream_fail(s, f);
}

void op_file_stat(struct stream *s, struct fields f)
{
    char path[PATH_MAX];
    bool follow = false;
    struct fs_entry entry;
    struct failure failure;
    if (!op_path(s, f, 1, "path", path))
        return;
    if (get_bool(f, 2, &follow) < 0) {
        op_bad_field(s, "follow");
        return;
    }
    if (fs_stat(path, follow, &entry, &failure) != 0) {
        stream_fail(s, &failure);
        return;
    }
    op_answer_entry(s, &entry);
    stream_end(s);
}

void op_file_mkdir(struct stream *s, struct fields f)
{
    char path[PATH_MAX];
    uint64_t mode = 0755;
    bool parents = false;
    struct failure failure;
    if (!op_path(s, f, 1, "path", path))
        return;
    if (get_int(f, 2, &mode) < 0 || mode > 07777)
        op_bad_field(s, "mode");
    else if (get_bool(f, 3, &parents) < 0)
        op_bad_field(s, "parents");
    else
        answer(s, fs_mkdir(path, (uint32_t)mode, parents, &failure), &failure);
}

void op_file_move(struct stream *s, struct fields f)
{
    char from[PATH_MAX], to[PATH_MAX];
    bool replace = false;
    struct failure failure;
    if (!op_path(s, f, 1, "from", from) || !op_path(s, f, 2, "to", to))
        return;
    if (get_bool(f, 3, &replace) < 0)
        op_bad_field(s, "replace");
    else
        answer(s, fs_move(from, to, replace, &failure), &failure);
}

/* ---- remove: a big tree in steps ---- */

static void remove_lost(struct stream *s)
{
    fs_remover_close(s->ctx);
}

static void remove_cancel(struct stream *s)
{
    fs_remover_close(s->ctx);
    stream_failf(s, ST_IO, 0, "cancelled");
}

static bool remove_pump(struct stream *s)
{
    struct failure failure;
    struct fs_remover *r = s->ctx;
    int result = fs_remover_step(r, REMOVE_BUDGET, &failure);
    if (result > 0)
        return true;
    fs_remover_close(r);
    answer(s, result, &failure);
    return false;
}

static const struct stream_ops remove_ops = {.cancel = remove_cancel, .lost = remove_lost, .pump = remove_pump};

void op_file_remove(struct stream *s, struct fields f)
{
    char path[PATH_MAX];
    bool recursive = false, missing_ok = false;
    struct failure failure;
    if (!op_path(s, f, 1, "path", path))
        return;
    if (get_bool(f, 2, &recursive) < 0) {
        op_bad_field(s, "recursive");
        return;
    }
    if (get_bool(f, 3, &missing_ok) < 0) {
        op_bad_field(s, "missing_ok");
        return;
    }
    struct fs_remover *r = fs_remover_open(path, recursive, missing_ok, &failure);
    if (r == NULL) {
        stream_fail(s, &failure);
        return;
    }
    s->ops = &remove_ops;
    s->ctx = r;
    stream_ready(s);
}
