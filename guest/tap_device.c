#include "tap_device.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23 /* Linux 4.20 */
#endif

/* The most that a tap takes. */
#define MTU 65520
/* As many bytes of frames as wait for who carries them, as far as the host grants it. */
#define ROOM (4 * 1024 * 1024)

int tap_failed(const char *what)
{
    fprintf(stderr, "the guest's tap: %s: %s\n", what, strerror(errno));
    return -1;
}

static int make_tap(const char *name, uid_t owner)
{
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return tap_failed("/dev/net/tun");
    snprintf(r.ifr_name, IFNAMSIZ, "%s", name);
    int result = ioctl(fd, TUNSETIFF, &r) == 0 && ioctl(fd, TUNSETOWNER, owner) == 0 && ioctl(fd, TUNSETPERSIST, 1) == 0
                     ? 0
                     : tap_failed(name);
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
    return answered && (errno == 0 || errno == EAFNOSUPPORT) ? 0 : tap_failed("IPv6");
}

/* Up, with no address, and answering nothing. */
static int bring_up(const char *name)
{
    struct ifreq r = {.ifr_mtu = MTU};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return tap_failed("a socket");
    snprintf(r.ifr_name, IFNAMSIZ, "%s", name);
    int result = ioctl(fd, SIOCSIFMTU, &r) == 0 ? 0 : tap_failed("its MTU");
    r.ifr_flags = IFF_UP | IFF_NOARP;
    if (result == 0 && ioctl(fd, SIOCSIFFLAGS, &r) != 0)
        result = tap_failed("bringing it up");
    close(fd);
    return result;
}

/* A socket that has all frames of the guest's, and through which frames get to it: the kernel's end of the tap. */
static int open_line(unsigned index)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)index};
    const int on = 1, room = ROOM;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0)
        return tap_failed("a packet socket");
    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    return fd;
}

int tap_device(const char *name, uid_t owner)
{
    if (make_tap(name, owner) != 0)
        return -1;
    unsigned index = if_nametoindex(name);
    return without_address(index) != 0 || bring_up(name) != 0 ? -1 : open_line(index);
}
