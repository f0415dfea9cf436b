#include "netguard.h"

#include "local_socket.h"
#include "lockdown.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BUFFER 262144u
#define WATCHERS 4
#define ANSWER_MS 10000
#define LOG_MAX 65536u
#define US 1000000u
#define LEAST 4096u

/* One direction: what was read waits in `in` until it is a whole frame, what may pass in `out` until it is written. */
struct way {
    int from, to;
    bool guarded;
    size_t in_len, out_len, out_at;
    uint64_t rate, burst; /* bytes each second, and at most that many at once; rate 0 = no limit */
    uint64_t tokens;      /* bytes that may be read now, times 10^6 */
    uint64_t filled_at;   /* microseconds; when the tokens were counted */
    uint8_t in[BUFFER], out[BUFFER];
};

static struct way outward, inward;
static int probe; /* a datagram socket that never sends */

/* Routing knows this host's addresses at every moment: the source of a packet to one of them is that address itself. */
static bool is_host(uint32_t address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(address)}, from;
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    socklen_t len = sizeof from;
    /* A socket that was connected before keeps the source it had then: it has to forget that first. */
    if (connect(probe, &none, sizeof none) != 0)
        return true;
    if (connect(probe, (struct sockaddr *)&to, sizeof to) != 0)
        return errno != ENETUNREACH && errno != EHOSTUNREACH; /* a broadcast address: EACCES */
    return getsockname(probe, (struct sockaddr *)&from, &len) != 0 || from.sin_addr.s_addr == to.sin_addr.s_addr;
}

/* What is left to do needs these calls alone. */
static bool lock_guard(void)
{
    const int calls[] = {
        __NR_recvfrom, __NR_sendto, __NR_ppoll, __NR_accept4, __NR_close, __NR_connect, __NR_getsockname, __NR_clock_gettime,
#ifdef __NR_poll
        __NR_poll,
#endif
    };
    return lock_down(calls, sizeof calls / sizeof calls[0]);
}

/* Asks passt for the gateway's hardware address: it is there when it answers, and has said why when it ends. */
static bool passt_answers(int passt)
{
    uint8_t ask[4 + 42] = {[3] = 42, [16] = 8, 6, 0, 1, 8, 0, 6, 4, 0, 1}, answer[sizeof ask];
    uint32_t guest = htonl(GUARD_GUEST), gateway = htonl(GUARD_GATEWAY);
    memset(ask + 4, 0xff, 6);
    memcpy(ask + 10, "\x52\x54\0\x12\x34\x56", 6);
    memcpy(ask + 26, ask + 10, 6);
    memcpy(ask + 32, &guest, 4);
    memcpy(ask + 42, &gateway, 4);
    struct pollfd p = {.fd = passt, .events = POLLIN};
    return send(passt, ask, sizeof ask, MSG_NOSIGNAL) == sizeof ask && poll(&p, 1, ANSWER_MS) == 1 &&
           recv(passt, answer, sizeof answer, MSG_WAITALL) == sizeof answer && answer[3] == 42 && answer[17] == 6;
}

/* The program as a child whose descriptor 3 is the other end of the socket that is returned; -1 = could not be started. */
static int start(char **program)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(STDERR_FILENO, STDOUT_FILENO);
        int end = fcntl(pair[1], F_DUPFD_CLOEXEC, 10); /* out of the way: it may be 3 already */
        dup2(end, 3);
        /* Its log is a file: what it says beyond this is lost, and it goes on. */
        const struct rlimit log = {.rlim_cur = LOG_MAX, .rlim_max = LOG_MAX};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &log);
        execv(program[0], program);
        perror(program[0]);
        _exit(127);
    }
    close(pair[1]);
    return pid < 0 ? -1 : pair[0];
}

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * US + (uint64_t)t.tv_nsec / 1000u;
}

/* How many bytes may be read now. */
static size_t allowance(struct way *w)
{
    if (w->rate == 0)
        return BUFFER;
    uint64_t now = now_us(), missing = w->burst * US - w->tokens, elapsed = now - w->filled_at;
    /* Compared by division: what is gained in a long rest would not fit. */
    w->tokens += elapsed >= missing / w->rate ? missing : elapsed * w->rate;
    w->filled_at = now;
    return (size_t)(w->tokens / US);
}

/* Milliseconds until something may be read; -1: at once, or never because of the rate. A few at a time would be work for nothing. */
static int wait_ms(struct way *w)
{
    uint64_t least = w->burst < LEAST ? w->burst : LEAST;
    if (allowance(w) >= least)
        return -1;
    return (int)((least * US - w->tokens) / w->rate / 1000u) + 1;
}

static void make_way(struct way *w, int from, int to, bool guarded, uint64_t rate, uint64_t burst)
{
    w->rate = rate;
    w->burst = burst;
    w->tokens = burst * US;
    w->filled_at = now_us();
    w->from = from;
    w->to = to;
    w->guarded = guarded;
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* Reads when there is room and sorts out what may pass. False: the way is over. */
static bool take(struct way *w)
{
    size_t room = BUFFER - w->in_len, allowed = allowance(w);
    ssize_t n = recv(w->from, w->in + w->in_len, room < allowed ? room : allowed, MSG_DONTWAIT);
    if (n <= 0)
        return n < 0 && would_block();
    if (w->rate != 0)
        w->tokens -= (uint64_t)n * US;
    w->in_len += (size_t)n;
    w->out_at = w->out_len = 0;
    long used = (long)w->in_len;
    if (w->guarded)
        used = guard_filter(w->in, w->in_len, w->out, &w->out_len, is_host);
    else
        memcpy(w->out, w->in, w->out_len = w->in_len);
    if (used < 0)
        return false;
    w->in_len -= (size_t)used;
    memmove(w->in, w->in + used, w->in_len);
    return true;
}

static bool give(struct way *w)
{
    ssize_t n = send(w->to, w->out + w->out_at, w->out_len - w->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return would_block();
    w->out_at += (size_t)n;
    return true;
}

static bool step(struct way *w, short from, short to)
{
    if (w->out_at < w->out_len)
        return to == 0 || give(w);
    return from == 0 || (take(w) && (w->out_len == 0 || give(w)));
}

int netguard(const char *net, const char *control, uint64_t rate, uint64_t burst, char **program)
{
    int passt = start(program);
    if (!passt_answers(passt)) {
        fputs("passt did not answer\n", stderr);
        return 1;
    }
    int vm = local_connect(net), listener = local_listen(control, WATCHERS);
    int watchers[WATCHERS];
    int count = 0;
    probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (vm < 0 || listener < 0 || probe < 0 || write(STDOUT_FILENO, "\n", 1) != 1 || !lock_guard()) {
        perror("network guard");
        return 1;
    }
    make_way(&outward, vm, passt, true, rate, burst);
    make_way(&inward, passt, vm, false, rate, burst);
    for (;;) {
        bool outward_full = outward.out_at < outward.out_len, inward_full = inward.out_at < inward.out_len;
        int outward_ms = wait_ms(&outward), inward_ms = wait_ms(&inward);
        short take_out = outward_full || outward_ms >= 0 ? 0 : POLLIN, take_in = inward_full || inward_ms >= 0 ? 0 : POLLIN;
        struct pollfd p[3 + WATCHERS] = {
            {.fd = vm, .events = (short)(take_out | (inward_full ? POLLOUT : 0))},
            {.fd = passt, .events = (short)(take_in | (outward_full ? POLLOUT : 0))},
            {.fd = count < WATCHERS ? listener : -1, .events = POLLIN},
        };
        for (int i = 0; i < count; i++)
            p[3 + i] = (struct pollfd){.fd = watchers[i], .events = POLLIN};
        int ms = outward_ms < 0 ? inward_ms : inward_ms < 0 || outward_ms < inward_ms ? outward_ms : inward_ms;
        if (poll(p, 3 + (nfds_t)count, ms) < 0 && errno != EINTR)
            return 1;
        const short readable = POLLIN | POLLHUP | POLLERR, writable = POLLOUT | POLLHUP | POLLERR;
        if (!step(&outward, p[0].revents & readable, p[1].revents & writable) ||
            !step(&inward, p[1].revents & readable, p[0].revents & writable))
            return 0;
        for (int i = count - 1; i >= 0; i--) {
            char byte;
            if (p[3 + i].revents == 0 || recv(watchers[i], &byte, 1, MSG_DONTWAIT) > 0)
                continue;
            close(watchers[i]);
            watchers[i] = watchers[--count];
        }
        if (p[2].revents != 0 && (watchers[count] = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
            count++;
    }
}
