/* Operations 41 to 45: the machine as a whole. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent.h"
#include "cmdline.h"
#include "job.h"
#include "loop.h"
#include "ops.h"
#include "proc.h"
#include "worker.h"

#ifndef EXT4_IOC_RESIZE_FS
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)
#endif
#define EXT4_MAGIC 0xef53
#define MS 1000000ull

/* ---- stats ---- */

/* Calls `line` for each line of a small file of the kernel. */
static void each_line(const char *path, void (*line)(const char *text, void *ctx), void *ctx)
{
    char text[1024];
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(text, sizeof text, file) != NULL)
        line(text, ctx);
    if (file != NULL)
        fclose(file);
}

struct numbers {
    unsigned long long mem_total, mem_available, cpu_busy, cpu_total, uptime_ms, load1_milli, net_rx, net_tx, read, written;
};

static void memory_line(const char *text, void *ctx)
{
    struct numbers *n = ctx;
    unsigned long long kb;
    if (sscanf(text, "MemTotal: %llu", &kb) == 1)
        n->mem_total = kb * 1024;
    else if (sscanf(text, "MemAvailable: %llu", &kb) == 1)
        n->mem_available = kb * 1024;
}

static void cpu_line(const char *text, void *ctx)
{
    struct numbers *n = ctx;
    unsigned long long v[8] = {0};
    if (sscanf(text, "cpu  %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) < 4)
        return;
    for (int i = 0; i < 8; i++)
        n->cpu_total += v[i];
    n->cpu_busy = n->cpu_total - v[3] - v[4]; /* without idle and iowait */
}

static void uptime_line(const char *text, void *ctx)
{
    struct numbers *n = ctx;
    unsigned long long s, hundredths;
    if (sscanf(text, "%llu.%llu", &s, &hundredths) == 2)
        n->uptime_ms = s * 1000 + hundredths * 10;
}

static void load_line(const char *text, void *ctx)
{
    struct numbers *n = ctx;
    unsigned long long whole, hundredths;
    if (sscanf(text, "%llu.%llu", &whole, &hundredths) == 2)
        n->load1_milli = whole * 1000 + hundredths * 10;
}

static void net_line(const char *text, void *ctx)
{
    struct numbers *n = ctx;
    unsigned long long rx, tx;
    char name[32];
    if (sscanf(text, " %31[^:]: %llu %*u %*u %*u %*u %*u %*u %*u %llu", name, &rx, &tx) == 3 && strcmp(name, "lo") != 0) {
        n->net_rx += rx;
        n->net_tx += tx;
    }
}

static void disk_line(const char *text, void *ctx)
{
    struct numbers *n = ctx;
    unsigned long long reads, writes;
    char name[32];
    if (sscanf(text, " %*u %*u %31s %*u %*u %llu %*u %*u %*u %llu", name, &reads, &writes) != 3)
        return;
    if (strncmp(name, "vd", 2) == 0 && strlen(name) == 3) { /* whole virtio disks, no partitions */
        n->read += reads * 512;
        n->written += writes * 512;
    }
}

static unsigned count_processes(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc");
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
        n += e->d_name[0] >= '1' && e->d_name[0] <= '9';
    if (dir != NULL)
        closedir(dir);
    return n;
}

void op_stats(struct stream *s, struct fields f)
{
    (void)f;
    struct numbers n = {0};
    struct statvfs fs = {0};
    uint8_t buf[512];
    struct fields_out o;
    each_line("/proc/meminfo", memory_line, &n);
    each_line("/proc/stat", cpu_line, &n);
    each_line("/proc/uptime", uptime_line, &n);
    each_line("/proc/loadavg", load_line, &n);
    each_line("/proc/net/dev", net_line, &n);
    each_line("/proc/diskstats", disk_line, &n);
    if (agent.state_fd < 0 || fstatvfs(agent.state_fd, &fs) != 0)
        statvfs("/", &fs);
    fields_begin(&o, buf, sizeof buf);
    put_int(&o, 1, n.uptime_ms);
    put_int(&o, 2, n.mem_total);
    put_int(&o, 3, n.mem_available);
    put_int(&o, 4, n.cpu_busy);
    put_int(&o, 5, n.cpu_total);
    put_int(&o, 6, n.load1_milli);
    put_int(&o, 7, count_processes());
    put_int(&o, 8, fs.f_blocks * fs.f_frsize);
    put_int(&o, 9, (fs.f_blocks - fs.f_bfree) * fs.f_frsize);
    put_int(&o, 10, n.net_rx);
    put_int(&o, 11, n.net_tx);
    put_int(&o, 12, n.read);
    put_int(&o, 13, n.written);
    stream_ok(s, &o);
    stream_end(s);
}

/* ---- sync and grow: blocking work, answered when it is done ---- */

struct blocking {
    struct stream *stream; /* NULL = nobody waits for the answer any more */
    struct failure failure;
    int result;
    uint64_t bytes;
};

static void blocking_lost(struct stream *s)
{
    struct blocking *b = s->ctx;
    b->stream = NULL;
}

static void blocking_cancel(struct stream *s)
{
    blocking_lost(s);
    stream_failf(s, ST_IO, 0, "cancelled");
}

static const struct stream_ops blocking_ops = {.cancel = blocking_cancel, .lost = blocking_lost};

/* bytes is for the work, which may put its answer there. */
static void blocking_start(struct stream *s, void (*work)(void *), void (*done)(void *), uint64_t bytes)
{
    struct blocking *b = calloc(1, sizeof *b);
    if (b == NULL) {
        stream_failf(s, ST_IO, ENOMEM, "no memory");
        return;
    }
    b->stream = s;
    b->bytes = bytes;
    s->ops = &blocking_ops;
    s->ctx = b;
    worker_run(work, done, b);
}

static void sync_work(void *ctx)
{
    (void)ctx;
    sync();
}

static void sync_done(void *ctx)
{
    struct blocking *b = ctx;
    if (b->stream != NULL)
        op_done(b->stream);
    free(b);
}

void op_sync(struct stream *s, struct fields f)
{
    (void)f;
    blocking_start(s, sync_work, sync_done, 0);
}

static uint64_t state_device_bytes(void)
{
    struct stat st;
    char path[64];
    unsigned long long sectors = 0;
    if (fstat(agent.state_fd, &st) != 0)
        return 0;
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/size", major(st.st_dev), minor(st.st_dev));
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%llu", &sectors) != 1)
            sectors = 0;
        fclose(file);
    }
    return sectors * 512;
}

#define DEVICE_POLL_US 5000
#define DEVICE_POLLS 2000

/* Answers with the size asked for and accepted: what statfs tells is smaller by the filesystem's own tables. */
static void grow_work(void *ctx)
{
    struct blocking *b = ctx;
    struct statfs fs;
    if (fstatfs(agent.state_fd, &fs) != 0) {
        b->result = failure_errno(&b->failure, errno, "look at", "the state disk");
        return;
    }
    /* The new capacity reaches the kernel by an interrupt that may come after the host's request. */
    uint64_t wanted = b->bytes, bytes = state_device_bytes();
    for (int i = 0; bytes < wanted && i < DEVICE_POLLS; i++) {
        usleep(DEVICE_POLL_US);
        bytes = state_device_bytes();
    }
    if (bytes < wanted) {
        b->result = failure_errno(&b->failure, ETIMEDOUT, "see the new size of", "the state disk");
        return;
    }
    uint64_t blocks = bytes / (uint64_t)fs.f_bsize;
    b->bytes = blocks * (uint64_t)fs.f_bsize;
    if (ioctl(agent.state_fd, EXT4_IOC_RESIZE_FS, &blocks) != 0)
        b->result = failure_errno(&b->failure, errno, "grow", "the state disk");
}

static void grow_done(void *ctx)
{
    struct blocking *b = ctx;
    if (b->stream != NULL && b->result != 0) {
        stream_fail(b->stream, &b->failure);
    } else if (b->stream != NULL) {
        uint8_t buf[32];
        struct fields_out o;
        fields_begin(&o, buf, sizeof buf);
        put_int(&o, 1, b->bytes);
        stream_ok(b->stream, &o);
        stream_end(b->stream);
    }
    free(b);
}

void op_grow(struct stream *s, struct fields f)
{
    struct statfs fs;
    uint64_t device = 0;
    if (get_int(f, 1, &device) < 0)
        op_bad_field(s, "device_bytes");
    else if (agent.state_fd < 0 || fstatfs(agent.state_fd, &fs) != 0 || fs.f_type != EXT4_MAGIC)
        stream_failf(s, ST_UNSUPPORTED, 0, "there is no ext4 state disk");
    else
        blocking_start(s, grow_work, grow_done, device);
}

/* ---- power off ---- */

enum pid1 { PID1_BOOTING, PID1_SYSTEMD, PID1_OTHER };

static enum pid1 pid1_kind(void)
{
    char target[256];
    ssize_t n = readlink("/proc/1/exe", target, sizeof target - 1);
    target[n > 0 ? n : 0] = 0;
    const char *base = strrchr(target, '/');
    if (base != NULL && strcmp(base, "/systemd") == 0)
        return PID1_SYSTEMD;
    /* Still our own boot code: the initramfs's /init, which is removed by now. */
    return strstr(target, "/init (deleted)") != NULL ? PID1_BOOTING : PID1_OTHER;
}

static struct timer down_timer;
static bool down_reboot, down_asked;

/* Inits that know no signal for it have a command. */
static int run_command(void *ctx)
{
    (void)ctx;
    const char *name = down_reboot ? "reboot" : "poweroff";
    static const char *const dirs[] = {"/sbin", "/usr/sbin", "/bin", "/usr/bin"};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    for (int i = 0; i < 4; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", dirs[i], name);
        execl(path, name, (char *)NULL);
    }
    return 127;
}

static void force_down(void)
{
    sync();
    reboot(down_reboot ? RB_AUTOBOOT : RB_POWER_OFF);
}

static void command_done(void *ctx, int status)
{
    (void)ctx;
    if (status != 0)
        force_down();
}

static void down_fire(struct timer *t)
{
    (void)t;
    if (agent.role == ROLE_HOSTED) {
        proc_kill_all();
        exit(0);
    }
    force_down();
}

#define SYSTEMD_DOWN (SIGRTMIN + (down_reboot ? 5 : 4))
#define ASK_AGAIN (100 * MS) /* only until a systemd that was just started listens */

/* systemd takes its signals from a descriptor and has them blocked for it; before that, the kernel drops what is sent to PID 1. */
static bool systemd_listens(void)
{
    char text[4096];
    int fd = open("/proc/1/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *blocked = strstr(text, "SigBlk:");
    if (blocked == NULL)
        return false;
    uint64_t mask = strtoull(blocked + strlen("SigBlk:"), NULL, 16);
    return (mask >> (SYSTEMD_DOWN - 1) & 1) != 0;
}

static struct timer ask_timer;

static void tell_systemd(struct timer *t)
{
    (void)t;
    if (!systemd_listens()) {
        timer_set(&ask_timer, ASK_AGAIN, tell_systemd);
        return;
    }
    kill(1, SYSTEMD_DOWN);
    down_asked = false; /* systemd may refuse or be asked again */
}

void op_poweroff(struct stream *s, struct fields f)
{
    uint64_t grace = 10000;
    bool again = false;
    if (get_bool(f, 1, &again) < 0) {
        op_bad_field(s, "reboot");
        return;
    }
    if (get_int(f, 2, &grace) < 0 || grace > 3600000) {
        op_bad_field(s, "grace_ms");
        return;
    }
    op_done(s);
    if (down_asked)
        return;
    down_asked = true;
    down_reboot = again || cmdline_off() == RB_AUTOBOOT;
    if (agent.role == ROLE_HOSTED) {
        timer_set(&down_timer, 50 * MS, down_fire); /* the answer leaves first */
        return;
    }
    if (agent.role == ROLE_INIT) {
        sigqueue(1, SIGRTMIN + (down_reboot ? 5 : 4), (union sigval){.sival_int = (int)grace});
        return;
    }
    /* Processes of ours belong to no unit: systemd would wait for stubborn ones up to 90 s. */
    proc_end_all(grace * MS);
    if (pid1_kind() == PID1_SYSTEMD) {
        tell_systemd(NULL);
    } else if (job_start(run_command, command_done, NULL) == NULL) {
        force_down();
    } else {
        timer_set(&down_timer, (grace + 5000) * MS, down_fire);
    }
}

/* ---- wait_system ---- */

struct wait {
    struct stream *stream;
    struct timer limit, retry;
    struct job *job;
    int out; /* what systemctl prints */
};

#define RETRY (250 * MS) /* only while systemd is not up far enough to be asked, and somebody waits */

static void wait_free(struct wait *w)
{
    timer_cancel(&w->limit);
    timer_cancel(&w->retry);
    if (w->job != NULL)
        job_cancel(w->job);
    if (w->out >= 0)
        close(w->out);
    free(w);
}

static void wait_answer(struct stream *s, const char *state)
{
    uint8_t buf[64];
    struct fields_out o;
    fields_begin(&o, buf, sizeof buf);
    put_str(&o, 1, state);
    stream_ok(s, &o);
    stream_end(s);
}

static void wait_lost(struct stream *s)
{
    wait_free(s->ctx);
}

static void wait_cancel(struct stream *s)
{
    wait_free(s->ctx);
    stream_failf(s, ST_IO, 0, "cancelled");
}

static const struct stream_ops wait_ops = {.cancel = wait_cancel, .lost = wait_lost};

static void wait_end(struct wait *w, const char *state)
{
    struct stream *s = w->stream;
    wait_free(w);
    wait_answer(s, state);
}

static void wait_timeout(struct timer *t)
{
    wait_end(container_of(t, struct wait, limit), "starting");
}

static int ask_systemd(void *ctx)
{
    struct wait *w = ctx;
    int null = open("/dev/null", O_RDWR);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGTERM, SIG_DFL);
    dup2(null, 0);
    dup2(null, 2);
    dup2(w->out, 1);
    execl("/usr/bin/systemctl", "systemctl", "is-system-running", "--wait", (char *)NULL);
    execl("/bin/systemctl", "systemctl", "is-system-running", "--wait", (char *)NULL);
    return 127;
}

static void wait_ask(struct timer *t);

static void asked(void *ctx, int status)
{
    struct wait *w = ctx;
    char text[64];
    w->job = NULL;
    ssize_t n = read(w->out, text, sizeof text - 1);
    close(w->out);
    w->out = -1;
    text[n > 0 ? n : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    (void)status;
    static const char *const final[] = {"running", "degraded", "maintenance", "stopping"};
    for (unsigned i = 0; i < sizeof final / sizeof final[0]; i++) {
        if (strcmp(text, final[i]) == 0) {
            wait_end(w, final[i]);
            return;
        }
    }
    timer_set(&w->retry, RETRY, wait_ask);
}

static void wait_ask(struct timer *t)
{
    struct wait *w = container_of(t, struct wait, retry);
    enum pid1 kind = pid1_kind();
    if (kind == PID1_OTHER) { /* nobody to ask */
        wait_end(w, "running");
        return;
    }
    if (kind == PID1_BOOTING || access("/run/systemd/private", F_OK) != 0) {
        timer_set(&w->retry, RETRY, wait_ask);
        return;
    }
    int p[2];
    if (pipe2(p, O_CLOEXEC | O_NONBLOCK) == 0) {
        w->out = p[1];
        w->job = job_start(ask_systemd, asked, w);
        close(p[1]);
        w->out = p[0];
    }
    if (w->job == NULL)
        timer_set(&w->retry, RETRY, wait_ask);
}

void op_wait_system(struct stream *s, struct fields f)
{
    uint64_t timeout_ms = 0;
    if (get_int(f, 1, &timeout_ms) < 0 || timeout_ms > UINT64_MAX / MS) {
        op_bad_field(s, "timeout_ms");
        return;
    }
    if (agent.role != ROLE_BESIDE) {
        wait_answer(s, "running");
        return;
    }
    struct wait *w = calloc(1, sizeof *w);
    if (w == NULL) {
        stream_failf(s, ST_IO, ENOMEM, "no memory");
        return;
    }
    w->stream = s;
    w->out = -1;
    s->ops = &wait_ops;
    s->ctx = w;
    if (timeout_ms != 0)
        timer_set(&w->limit, timeout_ms * MS, wait_timeout);
    timer_set(&w->retry, 0, wait_ask);
}
