#include "proc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pty.h"

#define SECOND 1000000000ull
#define KILL_AFTER (2 * SECOND)
#define DRAIN_FOR (200 * 1000000ull)
#define PTY_OWED 65536u /* a terminal's queue cannot be measured; it is never longer */
#define ENDED_RING_BYTES (16u << 20) /* output of all ended processes together */

static struct proc *procs;
static uint64_t last_id;
static unsigned running, ended;
static uint8_t scratch[MAX_DATA];

static void proc_update(struct proc *p);

/* ---- table ---- */

struct proc *proc_first(void)
{
    return procs;
}

struct proc *proc_find(uint64_t id)
{
    struct proc *p = procs;
    while (p != NULL && p->id != id)
        p = p->next;
    return p;
}

static void free_list(char **list)
{
    for (char **s = list; list != NULL && *s != NULL; s++)
        free(*s);
    free(list);
}

static void proc_free(struct proc *p)
{
    if (p->kill.armed && p->group_killed)
        kill(-p->pid, SIGKILL);
    timer_cancel(&p->deadline);
    timer_cancel(&p->kill);
    timer_cancel(&p->drain);
    source_close(&p->error);
    p->in.stream = NULL;
    sink_close(&p->in);
    for (int i = 0; i < 2; i++) {
        source_close(&p->out[i].src);
        ring_drop(&p->out[i].ring);
    }
    spawn_forget(p->launch, &p->spec);
    free_list(p->spec.argv);
    free_list(p->spec.env);
    free((char *)p->spec.cwd);
    free(p);
}

static void proc_remove(struct proc *p)
{
    struct proc **at = &procs;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    if (p->ended)
        ended--;
    else
        running--;
    proc_free(p);
}

/* Keeps what the document promises of ended processes: 256 of them, an hour, and some memory for their output. */
void proc_forget_old(void)
{
    unsigned seen = 0;
    uint64_t bytes = 0, now = now_ns();
    for (struct proc *p = procs, *next; p != NULL; p = next) {
        next = p->next;
        if (!p->ended || p->stream != NULL)
            continue;
        if (++seen > PROC_ENDED_MAX || now - p->ended_at > PROC_ENDED_SECONDS * SECOND) {
            proc_remove(p);
            continue;
        }
        bytes += p->out[0].ring.cap + p->out[1].ring.cap;
        if (bytes > ENDED_RING_BYTES)
            for (int i = 0; i < 2; i++)
                ring_drop(&p->out[i].ring);
    }
}

struct proc *proc_new(void)
{
    struct proc *p = running < PROC_MAX ? calloc(1, sizeof *p) : NULL;
    if (p == NULL)
        return NULL;
    p->error.fd = p->in.src.fd = p->out[0].src.fd = p->out[1].src.fd = -1;
    return p;
}

void proc_discard(struct proc *p)
{
    proc_free(p);
}

/* ---- output ---- */

static uint64_t backlog(const struct proc_out *o)
{
    return o->ring.end - o->sent;
}

static enum channel channel_of(const struct proc_out *o)
{
    return o == &o->proc->out[0] ? CHANNEL_OUT : CHANNEL_ERR;
}

/* How much may be put into the ring now: all while nobody is attached; else nothing unsent may be pushed out. */
static size_t ring_room(const struct proc_out *o)
{
    if (o->proc->stream == NULL)
        return sizeof scratch;
    uint64_t room = backlog(o) < RING_MAX ? RING_MAX - backlog(o) : 0;
    return room < sizeof scratch ? (size_t)room : sizeof scratch;
}

/* Reads once: 1 = something came, 0 = nothing now, -1 = closed. Goes straight into a frame when it can be sent. */
static int out_read(struct proc_out *o)
{
    struct stream *s = o->proc->stream;
    enum channel c = channel_of(o);
    size_t direct = s != NULL && backlog(o) == 0 ? stream_can_send(s, c) : 0;
    size_t room = direct != 0 ? direct : ring_room(o);
    uint8_t *buf = direct != 0 ? stream_buffer(s) : scratch;
    ssize_t n = read(o->src.fd, buf, room);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        o->owed = 0;
        return 0;
    }
    if (n <= 0) { /* EIO is how a terminal says that nobody has it open any more */
        source_close(&o->src);
        o->owed = 0;
        return -1;
    }
    o->owed -= o->owed < (uint32_t)n ? o->owed : (uint32_t)n;
    ring_write(&o->ring, buf, (size_t)n);
    if (direct != 0) {
        stream_send_buffer(s, c, (size_t)n);
        o->sent = o->ring.end;
    }
    return 1;
}

/* While attached a running process is read only as fast as the host takes it; an ended one as far as the ring goes. */
static bool may_read(const struct proc_out *o)
{
    const struct proc *p = o->proc;
    if (p->stream == NULL)
        return true;
    if (backlog(o) == 0 && stream_can_send(p->stream, channel_of(o)) != 0)
        return true;
    return p->ended && ring_room(o) != 0;
}

static void out_ready(struct source *src, uint32_t events)
{
    (void)events;
    struct proc_out *o = container_of(src, struct proc_out, src);
    struct proc *p = o->proc;
    if (may_read(o))
        out_read(o);
    if (p->stream != NULL)
        stream_ready(p->stream);
    proc_update(p);
}

static void put_exit(struct proc *p, struct fields_out *o)
{
    if (WIFSIGNALED(p->status))
        put_int(o, 2, (uint64_t)WTERMSIG(p->status));
    else
        put_int(o, 1, (uint64_t)WEXITSTATUS(p->status));
    put_bool(o, 3, p->timed_out);
    put_int(o, 4, (uint64_t)p->usage.ru_utime.tv_sec * 1000000u + (uint64_t)p->usage.ru_utime.tv_usec);
    put_int(o, 5, (uint64_t)p->usage.ru_stime.tv_sec * 1000000u + (uint64_t)p->usage.ru_stime.tv_usec);
    put_int(o, 6, (uint64_t)p->usage.ru_maxrss);
}

static struct stream *release_stream(struct proc *p)
{
    struct stream *s = p->stream;
    p->stream = NULL;
    p->in.stream = NULL;
    s->ctx = NULL;
    s->ops = NULL;
    return s;
}

/* Everything is read and sent: tells the exit. */
static void finish_stream(struct proc *p)
{
    uint8_t buf[256];
    struct fields_out o;
    fields_begin(&o, buf, sizeof buf);
    put_exit(p, &o);
    struct stream *s = release_stream(p);
    stream_event(s, EVENT_EXITED, &o);
    stream_end(s);
}

/* Brings epoll, EOF and the end of the stream in line with the state of the process. */
static void proc_update(struct proc *p)
{
    bool done = p->ended;
    for (int i = 0; i < 2; i++) {
        struct proc_out *o = &p->out[i];
        if (o->src.fd >= 0 && !p->starting) {
            source_watch(&o->src, may_read(o) ? EPOLLIN : 0);
            done = false;
        }
        if (p->stream == NULL)
            continue;
        if (backlog(o) != 0)
            done = false;
        else if (o->src.fd < 0 && !o->dropped && !(p->pty && i == 1))
            stream_eof(p->stream, channel_of(o));
    }
    if (done && p->stream != NULL)
        finish_stream(p);
}

static bool pump(struct stream *s)
{
    struct proc *p = s->ctx;
    bool more = false;
    for (int i = 0; i < 2; i++) {
        struct proc_out *o = &p->out[i];
        enum channel c = channel_of(o);
        const uint8_t *bytes;
        size_t n = ring_peek(&o->ring, o->sent, &bytes), can = stream_can_send(s, c);
        if (n > can)
            n = can;
        if (n != 0) {
            stream_send(s, c, bytes, n);
            o->sent += n;
        }
        /* Also when only the queue is full: the next pump call puts the descriptor back into epoll. */
        more |= s->credit[c] != 0 && (backlog(o) != 0 || (o->src.fd >= 0 && stream_can_send(s, c) == 0));
    }
    proc_update(p);
    return more && p->stream == s;
}

/* ---- ends ---- */

static void kill_fire(struct timer *t)
{
    struct proc *p = container_of(t, struct proc, kill);
    kill(-p->pid, SIGKILL);
}

/* Asks the group to end, and makes sure two seconds later; members may outlive their leader. */
static void end_group(struct proc *p, int signal)
{
    if (p->group_killed || p->starting || p->ended)
        return;
    p->group_killed = true;
    kill(-p->pid, signal);
    kill(-p->pid, SIGCONT);
    timer_set(&p->kill, KILL_AFTER, kill_fire);
}

static void deadline_fire(struct timer *t)
{
    struct proc *p = container_of(t, struct proc, deadline);
    if (p->ended)
        return;
    p->timed_out = true;
    end_group(p, SIGTERM);
}

static void drain_fire(struct timer *t)
{
    struct proc *p = container_of(t, struct proc, drain);
    for (int i = 0; i < 2; i++) {
        struct proc_out *o = &p->out[i];
        if (o->src.fd < 0)
            continue;
        /* What the process itself wrote waits for a slow host; only what others might still write does not. */
        while (o->owed != 0 && ring_room(o) != 0 && out_read(o) > 0)
            ;
        if (o->owed != 0) {
            timer_set(&p->drain, DRAIN_FOR, drain_fire);
            continue;
        }
        if (o->src.fd >= 0) {
            source_close(&o->src);
            o->dropped = true;
        }
    }
    proc_update(p);
}

static void detach(struct proc *p)
{
    for (int i = 0; i < 2; i++)
        p->out[i].sent = p->out[i].ring.end;
    if (p->on_disconnect == HANG_UP)
        end_group(p, SIGHUP);
    proc_update(p);
}

static void stream_lost(struct stream *s)
{
    struct proc *p = s->ctx;
    release_stream(p);
    detach(p);
}

static void stream_cancel(struct stream *s)
{
    struct proc *p = s->ctx;
    release_stream(p);
    if (s->responded)
        stream_end(s);
    else
        stream_failf(s, ST_IO, 0, "cancelled");
    detach(p);
}

static void stream_data(struct stream *s, const uint8_t *bytes, size_t len)
{
    struct proc *p = s->ctx;
    sink_write(&p->in, bytes, len);
}

static void stream_input_eof(struct stream *s)
{
    struct proc *p = s->ctx;
    sink_eof(&p->in);
}

static const struct stream_ops proc_ops = {
    .data = stream_data, .eof = stream_input_eof, .cancel = stream_cancel, .lost = stream_lost, .pump = pump};

/* A terminal cannot be half closed: its end-of-input character says the same to a program that reads lines. */
static void pty_finish(struct sink *in)
{
    uint8_t eof = pty_eof_char(in->src.fd);
    ssize_t n = eof != 0 ? write(in->src.fd, &eof, 1) : 0;
    (void)n;
}

/* ---- start ---- */

static void bind_stream(struct proc *p, struct stream *s)
{
    p->stream = s;
    p->in.stream = s;
    s->ops = &proc_ops;
    s->ctx = p;
}

static void started(struct proc *p)
{
    source_close(&p->error);
    p->starting = false;
    spawn_forget(p->launch, &p->spec);
    p->launch = NULL;
    free_list(p->spec.env);
    p->spec.env = NULL;
    if (p->deadline_ns != 0)
        timer_set(&p->deadline, p->deadline_ns, deadline_fire);
    struct stream *s = p->stream;
    if (s == NULL) { /* the host went away in the meantime */
        detach(p);
        return;
    }
    uint8_t buf[64];
    struct fields_out o;
    fields_begin(&o, buf, sizeof buf);
    put_int(&o, 1, (uint64_t)p->pid);
    put_int(&o, 2, p->id);
    stream_ok(s, &o);
    if (!p->attach) {
        release_stream(p);
        stream_end(s);
        proc_update(p);
        return;
    }
    if (p->in.src.fd >= 0)
        stream_accept_input(s, INPUT_WINDOW);
    stream_ready(s);
    proc_update(p);
}

static void error_ready(struct source *src, uint32_t events)
{
    (void)events;
    struct proc *p = container_of(src, struct proc, error);
    struct failure f;
    int r = spawn_result(p->error.fd, &p->spec, &f);
    if (r > 0)
        return;
    if (r == 0) {
        started(p);
        return;
    }
    struct stream *s = p->stream;
    if (s != NULL) {
        release_stream(p);
        stream_fail(s, &f);
    }
    proc_remove(p);
}

void proc_start(struct proc *p, struct stream *s)
{
    struct spawned child;
    struct failure f;
    p->spec.user = &p->user;
    if (spawn_start(&p->spec, &child, &f) != 0) {
        proc_free(p);
        stream_fail(s, &f);
        return;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    p->started_ns = (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
    p->id = ++last_id;
    p->pid = child.pid;
    p->launch = child.launch;
    p->pty = p->spec.pty;
    p->starting = true;
    sink_init(&p->in, child.in);
    if (p->pty)
        p->in.finish = pty_finish;
    for (int i = 0; i < 2; i++) {
        p->out[i].proc = p;
        source_init(&p->out[i].src, child.out[i], out_ready);
    }
    source_init(&p->error, child.error, error_ready);
    source_watch(&p->error, EPOLLIN);
    p->next = procs;
    procs = p;
    running++;
    bind_stream(p, s);
}

void proc_attach(struct proc *p, struct stream *s, uint64_t stdout_offset, uint64_t stderr_offset)
{
    if (p->stream != NULL) {
        struct stream *old = release_stream(p);
        stream_event(old, EVENT_TAKEN_OVER, NULL);
        stream_end(old);
    }
    p->out[0].sent = stdout_offset;
    p->out[1].sent = stderr_offset;
    bind_stream(p, s);
    if (p->in.src.fd >= 0 && !p->in.eof)
        stream_accept_input(s, INPUT_WINDOW - sink_pending(&p->in));
    stream_ready(s);
    proc_update(p);
}

int proc_signal(struct proc *p, int signal, bool group)
{
    if (p->ended && !group) {
        errno = ESRCH;
        return -1;
    }
    return kill(group ? -p->pid : p->pid, signal);
}

int proc_resize(struct proc *p, uint16_t rows, uint16_t cols)
{
    if (p->out[0].src.fd < 0) {
        errno = ESRCH;
        return -1;
    }
    return pty_resize(p->out[0].src.fd, rows, cols);
}

void proc_end_all(uint64_t grace_ns)
{
    for (struct proc *p = procs; p != NULL; p = p->next) {
        if (p->ended || p->starting)
            continue;
        end_group(p, SIGTERM);
        kill(-p->pid, SIGHUP); /* interactive shells ignore SIGTERM */
        timer_set(&p->kill, grace_ns, kill_fire);
    }
}

void proc_kill_all(void)
{
    for (struct proc *p = procs; p != NULL; p = p->next)
        if (!p->ended)
            kill(-p->pid, SIGKILL);
}

void proc_child_ended(int pid, int status, const struct rusage *usage)
{
    struct proc *p = procs;
    while (p != NULL && (p->ended || p->pid != pid))
        p = p->next;
    if (p == NULL)
        return;
    if (p->starting) { /* its report is complete, and has to be read before the process counts as ended */
        uint64_t id = p->id;
        error_ready(&p->error, EPOLLIN);
        p = proc_find(id);
        if (p == NULL)
            return;
    }
    /* To the front: the table of ended processes is in the order in which they ended. */
    struct proc **at = &procs;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    p->next = procs;
    procs = p;
    p->ended = true;
    p->ended_at = now_ns();
    p->status = status;
    p->usage = *usage;
    running--;
    ended++;
    timer_cancel(&p->deadline);
    sink_close(&p->in);
    for (int i = 0; i < 2; i++) {
        struct proc_out *o = &p->out[i];
        if (o->src.fd < 0)
            continue;
        int waiting = 0;
        o->owed = PTY_OWED;
        if (!p->pty && ioctl(o->src.fd, FIONREAD, &waiting) == 0)
            o->owed = (uint32_t)waiting;
        while (ring_room(o) != 0 && o->owed != 0 && out_read(o) > 0)
            ;
        if (o->src.fd >= 0 && o->owed == 0 && ring_room(o) != 0)
            out_read(o); /* usually the end of file */
    }
    timer_set(&p->drain, DRAIN_FOR, drain_fire);
    if (p->stream != NULL)
        stream_ready(p->stream);
    proc_update(p);
    proc_forget_old();
}
