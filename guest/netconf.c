#include "netconf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr *ipv4(struct sockaddr *to, in_addr_t address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = address};
    memcpy(to, &in, sizeof in);
    return to;
}

static int parse_cidr(const char *text, in_addr_t *address, in_addr_t *mask)
{
    char copy[64];
    struct in_addr a;
    char *end;
    snprintf(copy, sizeof copy, "%s", text);
    char *slash = strchr(copy, '/');
    if (slash == NULL)
        return -1;
    *slash++ = 0;
    long bits = strtol(slash, &end, 10);
    if (inet_pton(AF_INET, copy, &a) != 1 || *slash == 0 || *end != 0 || bits < 0 || bits > 32)
        return -1;
    *address = a.s_addr;
    *mask = bits == 0 ? 0 : htonl(~0u << (32 - bits));
    return 0;
}

static int set_address(int fd, const char *interface, const char *address, struct failure *f)
{
    struct ifreq r = {0};
    in_addr_t a, mask;
    if (parse_cidr(address, &a, &mask) != 0)
        return failure_set(f, ST_BAD_REQUEST, 0, address, "field address is not an IPv4 address with prefix length");
    snprintf(r.ifr_name, IFNAMSIZ, "%s", interface);
    ipv4(&r.ifr_addr, a);
    if (ioctl(fd, SIOCSIFADDR, &r) != 0)
        return failure_errno(f, errno, "set address (field address) of", interface);
    ipv4(&r.ifr_netmask, mask);
    if (ioctl(fd, SIOCSIFNETMASK, &r) != 0)
        return failure_errno(f, errno, "set netmask (field address) of", interface);
    return 0;
}

static int bring_up(int fd, const char *interface, struct failure *f)
{
    struct ifreq r = {0};
    snprintf(r.ifr_name, IFNAMSIZ, "%s", interface);
    if (ioctl(fd, SIOCGIFFLAGS, &r) != 0)
        return failure_errno(f, errno, "find (field interface)", interface);
    r.ifr_flags |= IFF_UP | IFF_RUNNING;
    if (ioctl(fd, SIOCSIFFLAGS, &r) != 0)
        return failure_errno(f, errno, "bring up (field interface)", interface);
    return 0;
}

static int set_gateway(int fd, const char *interface, const char *gateway, struct failure *f)
{
    struct rtentry route = {0};
    struct in_addr g;
    char name[IFNAMSIZ];
    if (inet_pton(AF_INET, gateway, &g) != 1)
        return failure_set(f, ST_BAD_REQUEST, 0, gateway, "field gateway is not an IPv4 address");
    snprintf(name, sizeof name, "%s", interface);
    ipv4(&route.rt_dst, 0);
    ipv4(&route.rt_genmask, 0);
    route.rt_flags = RTF_UP;
    route.rt_dev = name;
    for (int i = 0; i < 8 && ioctl(fd, SIOCDELRT, &route) == 0; i++)
        ;
    ipv4(&route.rt_gateway, g.s_addr);
    route.rt_flags = RTF_UP | RTF_GATEWAY;
    if (ioctl(fd, SIOCADDRT, &route) != 0)
        return failure_errno(f, errno, "set default route (field gateway) to", gateway);
    return 0;
}

/* Kept open, because most machines are told at each start that they have no network, and a socket costs more than the question. */
static int control_socket(void)
{
    static int fd = -1;
    if (fd < 0)
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd;
}

/* What is so already is left alone: to take an interface down that is down is a long way through the kernel. */
int netconf_down(const char *interface, struct failure *f)
{
    struct ifreq r = {0};
    int fd = control_socket();
    snprintf(r.ifr_name, IFNAMSIZ, "%s", interface);
    if (fd < 0)
        return failure_errno(f, errno, "take down", interface);
    if (ioctl(fd, SIOCGIFFLAGS, &r) != 0)
        return 0;
    bool up = (r.ifr_flags & IFF_UP) != 0;
    r.ifr_flags &= (short)~IFF_UP;
    if (up && ioctl(fd, SIOCSIFFLAGS, &r) != 0)
        return failure_errno(f, errno, "take down (field address)", interface);
    if (ioctl(fd, SIOCGIFADDR, &r) == 0) {
        ipv4(&r.ifr_addr, 0);
        ioctl(fd, SIOCSIFADDR, &r);
    }
    return 0;
}

int netconf_apply(const char *interface, const char *address, const char *gateway, struct failure *f)
{
    int fd = control_socket();
    if (fd < 0)
        return failure_errno(f, errno, "configure", interface);
    int r = 0;
    if (address != NULL)
        r = set_address(fd, interface, address, f);
    if (r == 0)
        r = bring_up(fd, interface, f);
    if (r == 0 && gateway != NULL)
        r = set_gateway(fd, interface, gateway, f);
    return r;
}
