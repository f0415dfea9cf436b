/* Operations 30 and 31: connections into the guest, and who listens there. */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "ops.h"
#include "sink.h"
#include "sshd.h"

#define CONNECT_SECONDS 10
#define LISTENERS_MAX 1024
#define FDS_MAX 65536 /* of all processes together are looked at */

/* ---- connect ---- */

struct connection {
    struct stream *stream;
    struct source src; /* from the guest's socket; while connecting, watched for writing */
    struct sink in;
    struct timer limit;
    struct sshd_waiter server;
    bool connecting, try_ipv6;
    uint16_t port;
    char host[256];
};

static void connection_free(struct connection *c)
{
    timer_cancel(&c->limit);
    sshd_wait_cancel(&c->server);
    c->in.stream = NULL;
    sink_close(&c->in);
    source_close(&c->src);
    free(c);
}

static void connection_lost(struct stream *s)
{
    connection_free(s->ctx);
}

static void connection_end(struct connection *c)
{
    struct stream *s = c->stream;
    connection_free(c);
    stream_end(s);
}

static void connection_cancel(struct stream *s)
{
    struct connection *c = s->ctx;
    bool connecting = c->connecting;
    connection_free(c);
    if (connecting)
        stream_failf(s, ST_IO, ECANCELED, "cancelled");
    else
        stream_end(s);
}

/* Ends when both directions are over. */
static bool connection_over(struct connection *c)
{
    if (c->connecting || c->src.fd >= 0 || c->in.src.fd >= 0)
        return false;
    connection_end(c);
    return true;
}

static void half_close(struct sink *in)
{
    struct connection *c = container_of(in, struct connection, in);
    shutdown(in->src.fd, SHUT_WR);
    sink_close(in);
    connection_over(c);
}

static void connection_data(struct stream *s, const uint8_t *p, size_t len)
{
    struct connection *c = s->ctx;
    sink_write(&c->in, p, len);
}

static void connection_eof(struct stream *s)
{
    struct connection *c = s->ctx;
    sink_eof(&c->in);
}

static bool connection_pump(struct stream *s)
{
    struct connection *c = s->ctx;
    if (!c->connecting)
        source_watch(&c->src, stream_can_send(s, CHANNEL_OUT) != 0 ? EPOLLIN : 0);
    return s->credit[CHANNEL_OUT] != 0 && stream_can_send(s, CHANNEL_OUT) == 0;
}

static const struct stream_ops connection_ops = {.data = connection_data,
                                                 .eof = connection_eof,
                                                 .cancel = connection_cancel,
                                                 .lost = connection_lost,
                                                 .pump = connection_pump};

static void from_guest(struct source *src, uint32_t events)
{
    (void)events;
    struct connection *c = container_of(src, struct connection, src);
    struct stream *s = c->stream;
    size_t room = stream_can_send(s, CHANNEL_OUT);
    if (room == 0) {
        source_watch(src, 0);
        stream_ready(s);
        return;
    }
    ssize_t n = read(src->fd, stream_buffer(s), room);
    if (n > 0) {
        stream_send_buffer(s, CHANNEL_OUT, (size_t)n);
        return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) { /* reset: an end without EOF, so that nobody takes what came for the whole */
        connection_end(c);
        return;
    }
    source_close(src);
    stream_eof(s, CHANNEL_OUT);
    connection_over(c);
}

static int address_of(const char *host, uint16_t port, struct sockaddr_storage *a, socklen_t *len)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)a;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a;
    memset(a, 0, sizeof *a);
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *len = sizeof *v4;
        return 0;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *len = sizeof *v6;
        return 0;
    }
    return -1;
}

static void connecting_ready(struct source *src, uint32_t events);

/* Starts to connect; 0 or errno. */
static int begin(struct connection *c)
{
    struct sockaddr_storage a;
    socklen_t len;
    if (address_of(c->host, c->port, &a, &len) != 0)
        return EINVAL;
    int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    source_init(&c->src, fd, connecting_ready);
    if (connect(fd, (struct sockaddr *)&a, len) != 0 && errno != EINPROGRESS) {
        int err = errno;
        source_close(&c->src);
        return err;
    }
    source_watch(&c->src, EPOLLOUT);
    return 0;
}

/* The address did not work: the other loopback, or the failure. */
static void not_connected(struct connection *c, int err)
{
    source_close(&c->src);
    if (c->try_ipv6) {
        c->try_ipv6 = false;
        strcpy(c->host, "::1");
        int again = begin(c);
        if (again == 0)
            return;
        strcpy(c->host, "127.0.0.1");
    }
    struct stream *s = c->stream;
    char host[sizeof c->host];
    strcpy(host, c->host);
    uint16_t port = c->port;
    connection_free(c);
    stream_failf(s, status_from_errno(err), err, "connect to %s port %u: %s", host, port, strerror(err));
}

static void connecting_ready(struct source *src, uint32_t events)
{
    (void)events;
    struct connection *c = container_of(src, struct connection, src);
    int err = 0;
    socklen_t len = sizeof err;
    if (getsockopt(src->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
        err = errno;
    if (err != 0) {
        not_connected(c, err);
        return;
    }
    timer_cancel(&c->limit);
    c->connecting = false;
    sink_init(&c->in, fcntl(src->fd, F_DUPFD_CLOEXEC, 3));
    c->in.stream = c->stream;
    c->in.finish = half_close;
    src->ready = from_guest;
    source_watch(src, 0);
    stream_ok(c->stream, NULL);
    stream_accept_input(c->stream, INPUT_WINDOW);
    stream_ready(c->stream);
}

static void connect_timeout(struct timer *t)
{
    struct connection *c = container_of(t, struct connection, limit);
    c->try_ipv6 = false;
    not_connected(c, ETIMEDOUT);
}

static void connect_now(struct sshd_waiter *w)
{
    struct connection *c = container_of(w, struct connection, server);
    int err = begin(c);
    if (err != 0)
        not_connected(c, err);
}

void op_connect(struct stream *s, struct fields f)
{
    uint64_t port = 0;
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL) {
        stream_failf(s, ST_IO, ENOMEM, "no memory");
        return;
    }
    c->src.fd = c->in.src.fd = -1;
    int has_host = get_text(f, 1, c->host, sizeof c->host);
    struct sockaddr_storage a;
    socklen_t len;
    if (has_host != 1 || strcmp(c->host, "localhost") == 0 || c->host[0] == 0) {
        strcpy(c->host, "127.0.0.1");
        c->try_ipv6 = true;
    }
    if (get_int(f, 2, &port) != 1 || port < 1 || port > 65535 || has_host < 0 || address_of(c->host, 1, &a, &len) != 0) {
        free(c);
        op_bad_field(s, port < 1 || port > 65535 ? "port" : "host");
        return;
    }
    c->port = (uint16_t)port;
    c->stream = s;
    c->connecting = true;
    s->ops = &connection_ops;
    s->ctx = c;
    timer_set(&c->limit, CONNECT_SECONDS * 1000000000ull, connect_timeout);
    if (!sshd_wanted(&c->server, connect_now)) /* on whatever port it listens */
        connect_now(&c->server);
}

/* ---- listeners ---- */

struct listener {
    char address[INET6_ADDRSTRLEN];
    uint16_t port;
    const char *protocol;
    uint64_t inode;
    int pid;
    char process[64];
};

/* The kernel prints addresses as 32 bit words in its own byte order. */
static bool parse_address(const char *hex, char *out)
{
    uint32_t words[4] = {0};
    size_t len = strlen(hex);
    if (len != 8 && len != 32)
        return false;
    for (size_t i = 0; i < len / 8; i++)
        if (sscanf(hex + 8 * i, "%8x", &words[i]) != 1)
            return false;
    return inet_ntop(len == 8 ? AF_INET : AF_INET6, words, out, INET6_ADDRSTRLEN) != NULL;
}

static int read_table(const char *protocol, struct listener *list, int n)
{
    char path[64], line[512], local[40], remote[40];
    snprintf(path, sizeof path, "/proc/net/%s", protocol);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return n;
    bool tcp = protocol[0] == 't';
    while (n < LISTENERS_MAX && fgets(line, sizeof line, file) != NULL) {
        unsigned port, remote_port, state;
        unsigned long long inode;
        if (sscanf(line, " %*d: %39[0-9A-Fa-f]:%x %39[0-9A-Fa-f]:%x %x %*s %*s %*s %*u %*d %llu", local, &port, remote, &remote_port,
                   &state, &inode) != 6)
            continue;
        /* 10 = LISTEN; a bound and unconnected UDP socket has state 7. */
        if (state != (tcp ? 10 : 7) || !parse_address(local, list[n].address))
            continue;
        list[n].port = (uint16_t)port;
        list[n].protocol = protocol;
        list[n].inode = inode;
        n++;
    }
    fclose(file);
    return n;
}

static void read_name(int pid, char *out, size_t cap)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, cap - 1) : 0;
    if (fd >= 0)
        close(fd);
    out[n > 0 ? n : 0] = 0;
    out[strcspn(out, "\n")] = 0;
}

static void match_fds(int pid, struct listener *list, int n, int *budget)
{
    char path[64], target[64];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir != NULL && *budget > 0 && (e = readdir(dir)) != NULL; (*budget)--) {
        unsigned long long inode;
        ssize_t len = readlinkat(dirfd(dir), e->d_name, target, sizeof target - 1);
        target[len > 0 ? len : 0] = 0;
        if (sscanf(target, "socket:[%llu]", &inode) != 1)
            continue;
        for (int i = 0; i < n; i++) {
            if (list[i].inode != inode || list[i].pid != 0)
                continue;
            list[i].pid = pid;
            read_name(pid, list[i].process, sizeof list[i].process);
        }
    }
    if (dir != NULL)
        closedir(dir);
}

void op_listeners(struct stream *s, struct fields f)
{
    (void)f;
    static const char *const protocols[] = {"tcp", "tcp6", "udp", "udp6"};
    struct listener *list = calloc(LISTENERS_MAX, sizeof *list);
    uint8_t *buf = malloc(MAX_PAYLOAD);
    if (list == NULL || buf == NULL) {
        free(list);
        free(buf);
        stream_failf(s, ST_IO, ENOMEM, "no memory");
        return;
    }
    int n = 0, budget = FDS_MAX;
    for (int i = 0; i < 4; i++)
        n = read_table(protocols[i], list, n);
    DIR *dir = opendir("/proc");
    for (struct dirent *e; n > 0 && dir != NULL && budget > 0 && (e = readdir(dir)) != NULL;)
        if (isdigit((unsigned char)e->d_name[0]))
            match_fds(atoi(e->d_name), list, n, &budget);
    if (dir != NULL)
        closedir(dir);
    struct fields_out o;
    fields_begin(&o, buf, MAX_PAYLOAD - 2);
    for (int i = 0; i < n; i++) {
        size_t rec = rec_begin(&o, 1);
        put_str(&o, 1, list[i].address);
        put_int(&o, 2, list[i].port);
        put_str(&o, 3, list[i].protocol);
        put_int(&o, 4, (uint64_t)list[i].pid);
        put_str(&o, 5, list[i].process);
        put_int(&o, 6, list[i].inode);
        rec_end(&o, rec);
    }
    stream_ok(s, &o);
    stream_end(s);
    free(list);
    free(buf);
}
