/* Operations 1 to 5: processes. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "environment.h"
#include "ops.h"
#include "proc.h"

#define ARGS_MAX 200000u
#define SIZE_MAX_CELLS 10000u

/* The bytes fields `tag` as a NULL terminated list of strings; NULL = not acceptable. */
static char **text_list(struct fields f, uint16_t tag, size_t *bytes)
{
    struct field field;
    struct fields rest = f;
    size_t count = 0;
    while (fields_next(&rest, &field) > 0)
        count += field.tag == tag;
    char **list = calloc(count + 1, sizeof *list);
    size_t at = 0;
    while (list != NULL && fields_next(&f, &field) > 0) {
        if (field.tag != tag)
            continue;
        *bytes += field.len + 1;
        list[at] = memchr(field.value, 0, field.len) == NULL ? strndup((const char *)field.value, field.len) : NULL;
        if (list[at++] == NULL) {
            for (size_t i = 0; i < at; i++)
                free(list[i]);
            free(list);
            return NULL;
        }
    }
    return list;
}

/* Puts the entries of the request over the base environment. False = an entry is not K=V. */
static bool add_env(struct environment *e, struct fields f, size_t *bytes)
{
    char **list = text_list(f, 2, bytes);
    bool ok = list != NULL;
    for (char **v = list; list != NULL && *v != NULL; v++) {
        ok = ok && strchr(*v, '=') != NULL && **v != '=' && environment_set(e, *v);
        free(*v);
    }
    free(list);
    return ok;
}

static bool get_cells(struct fields f, uint16_t tag, uint16_t standard, uint16_t *out)
{
    uint64_t v = standard;
    if (get_int(f, tag, &v) < 0 || v < 1 || v > SIZE_MAX_CELLS)
        return false;
    *out = (uint16_t)v;
    return true;
}

/* Fills `p` from the request; false = answered with a failure. */
static bool parse_start(struct proc *p, struct stream *s, struct fields f)
{
    char user[256] = "", cwd[PATH_MAX] = "";
    bool clean = false;
    uint64_t on_disconnect = 0, deadline_ms = 0;
    size_t bytes = 0;
    struct failure failure;

    p->attach = true;
    p->spec.argv = text_list(f, 1, &bytes);
    if (p->spec.argv == NULL || p->spec.argv[0] == NULL || p->spec.argv[0][0] == 0)
        return op_bad_field(s, "argv"), false;
    if (get_text(f, 3, cwd, sizeof cwd) < 0)
        return op_bad_field(s, "cwd"), false;
    if (get_text(f, 4, user, sizeof user) < 0)
        return op_bad_field(s, "user"), false;
    if (get_bool(f, 5, &p->spec.pty) < 0)
        return op_bad_field(s, "pty"), false;
    if (!get_cells(f, 6, 24, &p->spec.rows))
        return op_bad_field(s, "rows"), false;
    if (!get_cells(f, 7, 80, &p->spec.cols))
        return op_bad_field(s, "cols"), false;
    if (get_bool(f, 8, &p->spec.has_stdin) < 0)
        return op_bad_field(s, "stdin"), false;
    if (get_int(f, 9, &deadline_ms) < 0 || deadline_ms > UINT64_MAX / 2000000)
        return op_bad_field(s, "deadline_ms"), false;
    if (get_int(f, 10, &on_disconnect) < 0 || on_disconnect > HANG_UP)
        return op_bad_field(s, "on_disconnect"), false;
    if (get_bool(f, 11, &p->attach) < 0)
        return op_bad_field(s, "attach"), false;
    if (get_bool(f, 12, &clean) < 0)
        return op_bad_field(s, "clean_env"), false;
    if (get_text(f, 13, p->label, sizeof p->label) < 0)
        return op_bad_field(s, "label"), false;
    if (get_bool(f, 14, &p->spec.login) < 0)
        return op_bad_field(s, "login"), false;
    p->on_disconnect = (enum on_disconnect)on_disconnect;
    p->deadline_ns = deadline_ms * 1000000;

    if (user_lookup(user, &p->user, &failure) != 0)
        return stream_fail(s, &failure), false;
    struct environment env = {0};
    bool ok = (clean || environment_base(&env, &p->user, p->spec.pty)) && add_env(&env, f, &bytes);
    p->spec.env = env.list != NULL ? env.list : calloc(1, sizeof *env.list);
    if (!ok || p->spec.env == NULL)
        return op_bad_field(s, "env"), false;

    if (cwd[0] == 0) {
        /* A home that is not there is the image's oddity, not the caller's mistake. */
        struct stat st;
        const char *home = stat(p->user.home, &st) == 0 && S_ISDIR(st.st_mode) ? p->user.home : "/";
        strcpy(cwd, home);
    }
    p->spec.cwd = strdup(cwd);
    if (p->spec.cwd == NULL || bytes + strlen(cwd) > ARGS_MAX)
        return stream_failf(s, ST_TOO_LARGE, E2BIG, "argv, env and cwd together are more than %u bytes", ARGS_MAX), false;
    return true;
}

void op_proc_start(struct stream *s, struct fields f)
{
    proc_forget_old();
    struct proc *p = proc_new();
    if (p == NULL) {
        stream_failf(s, ST_TOO_MANY, 0, "%u processes are running", PROC_MAX);
        return;
    }
    if (!parse_start(p, s, f)) {
        proc_discard(p);
        return;
    }
    proc_start(p, s);
}

static void put_proc(struct fields_out *o, const struct proc *p, unsigned args, size_t arg_bytes)
{
    size_t rec = rec_begin(o, 1);
    put_int(o, 1, p->id);
    put_int(o, 2, (uint64_t)p->pid);
    for (unsigned i = 0; i < args && p->spec.argv[i] != NULL; i++)
        put_bytes(o, 3, p->spec.argv[i], strnlen(p->spec.argv[i], arg_bytes));
    put_int(o, 4, p->started_ns);
    put_bool(o, 5, !p->ended);
    if (p->ended && WIFEXITED(p->status))
        put_int(o, 6, (uint64_t)WEXITSTATUS(p->status));
    if (p->ended && WIFSIGNALED(p->status))
        put_int(o, 7, (uint64_t)WTERMSIG(p->status));
    put_bool(o, 8, p->stream != NULL);
    put_bool(o, 9, p->pty);
    put_str(o, 10, p->label);
    put_str(o, 11, p->user.name);
    rec_end(o, rec);
}

void op_proc_list(struct stream *s, struct fields f)
{
    (void)f;
    /* Many processes with long arguments do not fit into one frame: shorter arguments are better than no answer. */
    static const struct {
        unsigned args;
        size_t bytes;
    } detail[] = {{16, 256}, {4, 32}, {1, 16}, {0, 0}};
    proc_forget_old();
    uint8_t *buf = malloc(MAX_PAYLOAD);
    if (buf == NULL) {
        stream_failf(s, ST_IO, ENOMEM, "no memory");
        return;
    }
    struct fields_out o;
    for (unsigned i = 0; i < sizeof detail / sizeof detail[0]; i++) {
        fields_begin(&o, buf, MAX_PAYLOAD - 2);
        for (struct proc *p = proc_first(); p != NULL; p = p->next)
            if (!p->starting)
                put_proc(&o, p, detail[i].args, detail[i].bytes);
        if (!o.overflow)
            break;
    }
    stream_ok(s, &o);
    stream_end(s);
    free(buf);
}

/* The process of field 1, or NULL = answered with a failure. */
static struct proc *request_proc(struct stream *s, struct fields f)
{
    uint64_t id;
    if (get_int(f, 1, &id) != 1) {
        op_bad_field(s, "proc");
        return NULL;
    }
    proc_forget_old();
    struct proc *p = proc_find(id);
    if (p == NULL || p->starting) {
        stream_failf(s, ST_NOT_FOUND, ESRCH, "process %llu is not known", (unsigned long long)id);
        return NULL;
    }
    return p;
}

static uint64_t clamp(uint64_t offset, const struct ring *r)
{
    return offset < r->start ? r->start : offset > r->end ? r->end : offset;
}

void op_proc_attach(struct stream *s, struct fields f)
{
    struct proc *p = request_proc(s, f);
    if (p == NULL)
        return;
    uint64_t out = 0, err = 0, on_disconnect = p->on_disconnect;
    if (get_int(f, 2, &out) < 0) {
        op_bad_field(s, "stdout_offset");
        return;
    }
    if (get_int(f, 3, &err) < 0) {
        op_bad_field(s, "stderr_offset");
        return;
    }
    if (get_int(f, 4, &on_disconnect) < 0 || on_disconnect > HANG_UP) {
        op_bad_field(s, "on_disconnect");
        return;
    }
    p->on_disconnect = (enum on_disconnect)on_disconnect;
    out = clamp(out, &p->out[0].ring);
    err = clamp(err, &p->out[1].ring);
    uint8_t buf[64];
    struct fields_out o;
    fields_begin(&o, buf, sizeof buf);
    put_int(&o, 1, (uint64_t)p->pid);
    put_int(&o, 2, out);
    put_int(&o, 3, err);
    stream_ok(s, &o);
    proc_attach(p, s, out, err);
}

static void answer_errno(struct stream *s, int result, const char *what)
{
    if (result == 0)
        op_done(s);
    else
        stream_failf(s, status_from_errno(errno), errno, "%s: %s", what, strerror(errno));
}

void op_proc_signal(struct stream *s, struct fields f)
{
    uint64_t signal = 0;
    bool group = true;
    struct proc *p = request_proc(s, f);
    if (p == NULL)
        return;
    if (get_int(f, 2, &signal) != 1 || signal < 1 || signal > 64)
        op_bad_field(s, "signal");
    else if (get_bool(f, 3, &group) < 0)
        op_bad_field(s, "group");
    else
        answer_errno(s, proc_signal(p, (int)signal, group), "signal");
}

void op_proc_resize(struct stream *s, struct fields f)
{
    uint16_t rows, cols;
    struct proc *p = request_proc(s, f);
    if (p == NULL)
        return;
    if (!get_cells(f, 2, 0, &rows))
        op_bad_field(s, "rows");
    else if (!get_cells(f, 3, 0, &cols))
        op_bad_field(s, "cols");
    else if (!p->pty)
        stream_failf(s, ST_UNSUPPORTED, ENOTTY, "the process has no terminal");
    else
        answer_errno(s, proc_resize(p, rows, cols), "resize");
}
