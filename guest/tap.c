#include "tap.h"

#include "local_socket.h"
#include "lockdown.h"
#include "tap_device.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PREFIX 4u
#define ETHER 14u
/* What a guest may put into one frame with segmentation left to us, and what comes the other way: an IP packet of 65535 bytes. */
#define FRAME_MAX (ETHER + 65535u)
#define BUFFER (4u * (PREFIX + FRAME_MAX))

static int line = -1, client = -1;
static struct {
    size_t len, at;
    uint8_t bytes[BUFFER];
} outward, inward; /* to the client: written from `at` to `len`; from the client: `len` bytes, not yet whole frames */

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t len = strlen(text);
    int r = fd >= 0 && write(fd, text, len) == (ssize_t)len ? 0 : tap_failed(path);
    if (fd >= 0)
        close(fd);
    return r;
}

/* A user namespace, in which this user keeps its ids, and in it the network namespace: the jail's own belongs to another one. */
static int own_network(void)
{
    char uid[64], gid[64];
    snprintf(uid, sizeof uid, "%u %u 1", getuid(), getuid());
    snprintf(gid, sizeof gid, "%u %u 1", getgid(), getgid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return tap_failed("a network namespace of its own");
    return write_file("/proc/self/setgroups", "deny") != 0 || write_file("/proc/self/uid_map", uid) != 0 ||
                   write_file("/proc/self/gid_map", gid) != 0
               ? -1
               : 0;
}

static int drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capset, &head, none) == 0 ? 0 : tap_failed("dropping capabilities");
}

/* They do not come back with a program either. */
static int bar_capabilities(void)
{
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
            return tap_failed("barring capabilities");
    return 0;
}

/* Not dumpable, so that a monitor of the same user, in a root of its own, cannot trace us, who see the host's. */
static int become(const struct tap_user *user)
{
    uid_t uid = user->uid;
    gid_t gid = user->gid;
    if (bar_capabilities() != 0)
        return -1;
    if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0 ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return tap_failed("becoming its user");
    return drop_capabilities();
}

static bool lock_tap(void)
{
    const int calls[] = {
        __NR_recvfrom, __NR_sendto, __NR_ppoll, __NR_accept4, __NR_close, __NR_waitid,
#ifdef __NR_poll
        __NR_poll,
#endif
    };
    return lock_down(calls, sizeof calls / sizeof calls[0]);
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* As many frames as are there and fit. A network that is down for a moment is none of our business. */
static void take_frames(void)
{
    while (BUFFER - outward.len >= PREFIX + FRAME_MAX) {
        uint8_t *at = outward.bytes + outward.len;
        ssize_t n = recv(line, at + PREFIX, FRAME_MAX, MSG_DONTWAIT);
        if (n < 0)
            return;
        const uint8_t prefix[PREFIX] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
        memcpy(at, prefix, PREFIX);
        outward.len += PREFIX + (size_t)n;
    }
}

/* False: the connection is over. */
static bool give_client(void)
{
    ssize_t n = send(client, outward.bytes + outward.at, outward.len - outward.at, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return would_block();
    outward.at += (size_t)n;
    if (outward.at == outward.len)
        outward.at = outward.len = 0;
    return true;
}

/* False: the connection is over, or brings no frames. A frame that the tap does not take is lost, as on any wire. */
static bool take_client(void)
{
    ssize_t n = recv(client, inward.bytes + inward.len, BUFFER - inward.len, MSG_DONTWAIT);
    if (n <= 0)
        return n < 0 && would_block();
    inward.len += (size_t)n;
    size_t at = 0;
    while (inward.len - at >= PREFIX) {
        const uint8_t *p = inward.bytes + at;
        size_t frame = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        if (frame > FRAME_MAX)
            return false;
        if (inward.len - at < PREFIX + frame)
            break;
        (void)!send(line, p + PREFIX, frame, MSG_DONTWAIT | MSG_NOSIGNAL);
        at += PREFIX + frame;
    }
    inward.len -= at;
    memmove(inward.bytes, inward.bytes + at, inward.len);
    return true;
}

static void accept_client(int listener)
{
    client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    inward.len = 0;
    do { /* what was sent while nobody listened is lost */
        outward.at = outward.len = 0;
        take_frames();
    } while (outward.len > 0);
}

static int status_of(int child)
{
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)child, &info, WEXITED) != 0)
        return 1;
    return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

static int carry(int listener, int child, int child_fd)
{
    for (;;) {
        bool waiting = outward.len > 0, joined = client >= 0;
        struct pollfd p[] = {
            {.fd = child_fd, .events = POLLIN},
            {.fd = joined ? -1 : listener, .events = POLLIN},
            {.fd = joined ? client : -1, .events = (short)(POLLIN | (waiting ? POLLOUT : 0))},
            {.fd = joined && !waiting ? line : -1, .events = POLLIN},
        };
        if (poll(p, sizeof p / sizeof p[0], -1) < 0 && errno != EINTR)
            return 1;
        if (p[0].revents != 0)
            return status_of(child);
        if (p[1].revents != 0)
            accept_client(listener);
        if (p[3].revents != 0)
            take_frames();
        bool over = (p[2].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !take_client();
        if (!over && joined && outward.len > 0)
            over = !give_client();
        if (over) {
            close(client);
            client = -1;
            outward.at = outward.len = 0;
        }
    }
}

/* Starts the command, and carries its frames: as `user` unless that is NULL. */
static int run(const char *net, char **command, const struct tap_user *user)
{
    int listener = local_listen(net, 1);
    if (listener < 0)
        return tap_failed(net) != 0;
    pid_t child = fork();
    if (child == 0) {
        execvp(command[0], command);
        fprintf(stderr, "%s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    int child_fd = child < 0 ? -1 : (int)syscall(SYS_pidfd_open, child, 0);
    /* The command's standard output tells who reads it that the command ended: nobody else may hold it. */
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    if (user && become(user) != 0)
        return 1;
    if (child_fd < 0 || !lock_tap())
        return tap_failed("carrying its frames") != 0;
    return carry(listener, child, child_fd);
}

int tap(const char *name, const char *net, char **command)
{
    if (own_network() != 0 || (line = tap_device(name, getuid())) < 0 || bar_capabilities() != 0 || drop_capabilities() != 0)
        return 1;
    return run(net, command, NULL);
}

int tap_for(const struct tap_user *user, const char *name, const char *net, char **command)
{
    if ((line = tap_device(name, user->uid)) < 0)
        return 1;
    return run(net, command, user);
}
