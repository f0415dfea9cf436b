#include "tap.h"

#include "local_socket.h"
#include "lockdown.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23 /* Linux 4.20 */
#endif

#define PREFIX 4u
#define ETHER 14u
/* What a guest may put into one frame with segmentation left to us, and what comes the other way: an IP packet of 65535 bytes. */
#define FRAME_MAX (ETHER + 65535u)
/* The most that a tap takes. */
#define MTU 65520
#define BUFFER (4u * (PREFIX + FRAME_MAX))

static int line = -1, client = -1;
static struct {
    size_t len, at;
    uint8_t bytes[BUFFER];
} outward, inward; /* to the client: written from `at` to `len`; from the client: `len` bytes, not yet whole frames */

static int failed(const char *what)
{
    fprintf(stderr, "the guest's tap: %s: %s\n", what, strerror(errno));
    return -1;
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t len = strlen(text);
    int r = fd >= 0 && write(fd, text, len) == (ssize_t)len ? 0 : failed(path);
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
        return failed("a network namespace of its own");
    return write_file("/proc/self/setgroups", "deny") != 0 || write_file("/proc/self/uid_map", uid) != 0 ||
                   write_file("/proc/self/gid_map", gid) != 0
               ? -1
               : 0;
}

static int make_tap(const char *name)
{
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return failed("/dev/net/tun");
    snprintf(r.ifr_name, IFNAMSIZ, "%s", name);
    int result = ioctl(fd, TUNSETIFF, &r) == 0 && ioctl(fd, TUNSETPERSIST, 1) == 0 ? 0 : failed(name);
    close(fd);
    return result;
}

/* No IPv6 address: the namespace has nothing to say to its guest. */
static int without_address(unsigned index)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg link;
        struct rtattr spec, inet6, mode;
        uint8_t none;
    } ask = {
        .head = {.nlmsg_len = sizeof ask, .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .link = {.ifi_index = (int)index},
        .spec = {.rta_type = IFLA_AF_SPEC, .rta_len = 3 * sizeof(struct rtattr) + 4},
        .inet6 = {.rta_type = AF_INET6, .rta_len = 2 * sizeof(struct rtattr) + 4},
        .mode = {.rta_type = IFLA_INET6_ADDR_GEN_MODE, .rta_len = sizeof(struct rtattr) + 1},
        .none = IN6_ADDR_GEN_MODE_NONE,
    };
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        uint8_t more[256];
    } answer;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    bool answered = fd >= 0 && send(fd, &ask, sizeof ask, 0) == sizeof ask &&
                    recv(fd, &answer, sizeof answer, 0) >= (ssize_t)(sizeof answer.head + sizeof answer.error) &&
                    answer.head.nlmsg_type == NLMSG_ERROR;
    if (fd >= 0)
        close(fd);
    errno = answered ? -answer.error.error : errno;
    /* EAFNOSUPPORT: a host without IPv6 has nothing to take away. */
    return answered && (errno == 0 || errno == EAFNOSUPPORT) ? 0 : failed("IPv6");
}

/* Up, with no address, and answering nothing. */
static int bring_up(const char *name)
{
    struct ifreq r = {.ifr_mtu = MTU};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return failed("a socket");
    snprintf(r.ifr_name, IFNAMSIZ, "%s", name);
    int result = ioctl(fd, SIOCSIFMTU, &r) == 0 ? 0 : failed("its MTU");
    r.ifr_flags = IFF_UP | IFF_NOARP;
    if (result == 0 && ioctl(fd, SIOCSIFFLAGS, &r) != 0)
        result = failed("bringing it up");
    close(fd);
    return result;
}

/* A socket that has all frames of the guest's, and through which frames get to it: the kernel's end of the tap. */
static int open_line(unsigned index)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)index};
    const int on = 1, room = BUFFER * 16; /* as much of it as the host grants */
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0)
        return failed("a packet socket");
    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    return fd;
}

static int drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
            return failed("dropping capabilities");
    return syscall(SYS_capset, &head, none) == 0 ? 0 : failed("dropping capabilities");
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

int tap(const char *name, const char *net, char **command)
{
    if (own_network() != 0 || make_tap(name) != 0)
        return 1;
    unsigned index = if_nametoindex(name);
    if (without_address(index) != 0 || bring_up(name) != 0 || (line = open_line(index)) < 0 || drop_capabilities() != 0)
        return 1;
    int listener = local_listen(net, 1);
    if (listener < 0)
        return failed(net) != 0;
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
    if (child_fd < 0 || !lock_tap())
        return failed("carrying its frames") != 0;
    return carry(listener, child, child_fd);
}
