#include "link.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop.h"

#define READ_PER_TURN (1u << 20) /* then others get their turn */
#define AWAY_NS 1000000000ull

static struct mux *mux;
static struct source conn = {.fd = -1}, listener = {.fd = -1};
static bool is_port;  /* the port stays open for good; a socket is closed with its host */
static bool readable; /* an edge came and EAGAIN has not been seen since */
static bool writable;
static struct timer away;

static void host_gone(void)
{
    mux_reset(mux);
    readable = false;
    if (!is_port)
        source_close(&conn);
}

static void away_fire(struct timer *t)
{
    (void)t;
    struct pollfd p = {.fd = conn.fd, .events = POLLIN};
    if (poll(&p, 1, 0) == 1 && (p.revents & POLLHUP) != 0)
        host_gone();
}

/*
 * "Host away" of a port travels on another queue than its data: it may be seen after the next host's first bytes, and
 * must not end the session that those have started. So it only counts when it lasts; a shorter absence is what the sync
 * at the start of every connection is for.
 */
static void host_away(void)
{
    readable = false;
    timer_set(&away, AWAY_NS, away_fire);
}

static void conn_ready(struct source *s, uint32_t events)
{
    (void)s;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
        readable = true;
    if (events & EPOLLOUT)
        writable = true;
}

/*
 * Edge triggered: a port whose host is away reports EPOLLHUP all the time and reads as 0 bytes; the next edge comes
 * when the host is back.
 */
static bool conn_open(int fd)
{
    source_init(&conn, fd, conn_ready);
    if (!source_watch(&conn, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET))
        return false;
    readable = writable = true;
    return true;
}

static void input(void)
{
    size_t total = 0;
    while (conn.fd >= 0 && readable && total < READ_PER_TURN) {
        uint8_t *p;
        size_t room = mux_input_space(mux, &p);
        if (room == 0)
            return;
        ssize_t n = read(conn.fd, p, room);
        if (n > 0) {
            total += (size_t)n;
            mux_input(mux, (size_t)n);
        } else if (n < 0 && errno == EAGAIN) {
            readable = false;
        } else if (n == 0 && is_port) {
            host_away();
        } else if (n == 0 || errno != EINTR) {
            host_gone();
        }
    }
}

static void output(void)
{
    if (conn.fd < 0 || !writable || !mux_has_output(mux))
        return;
    int r = mux_flush(mux, conn.fd);
    if (r == 0)
        writable = false;
    else if (r < 0)
        host_gone();
}

bool link_turn(void)
{
    if (!mux_input_blocked(mux))
        mux_resume(mux);
    input();
    bool more = mux_pump(mux);
    output();
    if (conn.fd < 0)
        return false;
    return (more && !(mux_has_output(mux) && !writable)) || (readable && !mux_input_blocked(mux)) || (writable && mux_has_output(mux));
}

static void accept_ready(struct source *s, uint32_t events)
{
    (void)events;
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    mux_reset(mux);
    source_close(&conn);
    if (!conn_open(fd))
        source_close(&conn);
}

static int listen_on(struct mux *m, int fd, const struct sockaddr *address, socklen_t len)
{
    mux = m;
    if (fd < 0 || bind(fd, address, len) != 0 || listen(fd, 4) != 0)
        return -1;
    source_init(&listener, fd, accept_ready);
    return source_watch(&listener, EPOLLIN) ? 0 : -1;
}

int link_listen_unix(struct mux *m, const char *path)
{
    /* Bound under another name first: whoever sees the socket appear can connect to it, since it listens already. */
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if ((size_t)snprintf(a.sun_path, sizeof a.sun_path, "%s.new", path) >= sizeof a.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    unlink(a.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listen_on(m, fd, (struct sockaddr *)&a, sizeof a) != 0)
        return -1;
    return rename(a.sun_path, path);
}

/*
 * Tells a host that waits for it that this side listens from now on: the attempt to connect is all there is to see. A host
 * that does not wait refuses, which changes nothing.
 */
static void knock(unsigned port)
{
    struct sockaddr_vm a = {.svm_family = AF_VSOCK, .svm_port = port, .svm_cid = VMADDR_CID_HOST};
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0 && errno != EINPROGRESS)
        perror("banger-agent: knock");
    close(fd);
}

int link_listen_vsock(struct mux *m, unsigned port)
{
    struct sockaddr_vm a = {.svm_family = AF_VSOCK, .svm_port = port, .svm_cid = VMADDR_CID_ANY};
    if (listen_on(m, socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), (struct sockaddr *)&a, sizeof a) != 0)
        return -1;
    knock(port + 1);
    return 0;
}

int link_open_port(struct mux *m, const char *device)
{
    mux = m;
    is_port = true;
    int fd = open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    return fd >= 0 && conn_open(fd) ? 0 : -1;
}

bool link_find_port(const char *name, char *device, size_t cap)
{
    DIR *dir = opendir("/sys/class/virtio-ports");
    if (dir == NULL)
        return false;
    bool found = false;
    for (struct dirent *e; !found && (e = readdir(dir)) != NULL;) {
        char path[400], text[128] = "";
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", e->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
        if (fd >= 0)
            close(fd);
        text[n > 0 ? n : 0] = 0;
        text[strcspn(text, "\n")] = 0;
        found = strcmp(text, name) == 0;
        if (found)
            snprintf(device, cap, "/dev/%s", e->d_name);
    }
    closedir(dir);
    return found;
}
