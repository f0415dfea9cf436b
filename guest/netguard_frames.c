#include "netguard.h"

#include <arpa/inet.h>
#include <string.h>

#define ETHER_LEN 14u
#define ARP_LEN (ETHER_LEN + 28u)
#define DNS_PORT 53
enum { ICMP = 1, TCP = 6, UDP = 17 };

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

/* An address that is some other machine's. What is refused: this host, its loopback, the link (there cloud machines find their
 * credentials, 169.254.169.254), groups and what is reserved. */
static bool is_elsewhere(uint32_t a)
{
    uint32_t top = a >> 24;
    return top != 0 && top != 127 && top < 224 && (a >> 16) != 0xa9fe && (a & GUARD_MASK) != GUARD_NET;
}

static bool allows_arp(const uint8_t *arp)
{
    static const uint8_t ethernet_ipv4[] = {0, 1, 8, 0, 6, 4};
    return memcmp(arp, ethernet_ipv4, sizeof ethernet_ipv4) == 0 && be32(arp + 14) == GUARD_GUEST;
}

static bool allows_ipv4(const uint8_t *ip, size_t len, bool (*is_host)(uint32_t address))
{
    size_t header = (ip[0] & 15u) * 4u, total = be16(ip + 2);
    uint8_t protocol = ip[9];
    size_t least = protocol == TCP ? 20 : 8;
    bool fragment = (be16(ip + 6) & 0x3fff) != 0;
    if (ip[0] >> 4 != 4 || header < 20 || total > len || total < header + least || fragment)
        return false;
    if ((protocol != TCP && protocol != UDP && protocol != ICMP) || be32(ip + 12) != GUARD_GUEST)
        return false;
    uint32_t to = be32(ip + 16);
    const uint8_t *inner = ip + header;
    if (to == GUARD_RESOLVER)
        return protocol == UDP && be16(inner + 2) == DNS_PORT;
    if (!is_elsewhere(to))
        return false;
    /* passt makes a connection from a first packet alone; later ones need one that is there. */
    bool begins = protocol != TCP || (inner[13] & 0x12) != 0x10;
    return !begins || !is_host(to);
}

bool guard_allows(const uint8_t *frame, size_t len, bool (*is_host)(uint32_t address))
{
    if (len < ETHER_LEN + 20)
        return false;
    uint16_t type = be16(frame + 12);
    if (type == 0x0806)
        return len >= ARP_LEN && allows_arp(frame + ETHER_LEN);
    return type == 0x0800 && allows_ipv4(frame + ETHER_LEN, len - ETHER_LEN, is_host);
}

long guard_filter(const uint8_t *in, size_t len, uint8_t *out, size_t *out_len, bool (*is_host)(uint32_t address))
{
    size_t at = 0;
    while (len - at >= 4) {
        size_t frame = be32(in + at);
        if (frame > GUARD_FRAME_MAX)
            return -1;
        if (len - at < 4 + frame)
            break;
        if (guard_allows(in + at + 4, frame, is_host)) {
            memcpy(out + *out_len, in + at, 4 + frame);
            *out_len += 4 + frame;
        }
        at += 4 + frame;
    }
    return (long)at;
}
