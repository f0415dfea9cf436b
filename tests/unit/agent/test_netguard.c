/* What a guest's frames may do and what not, one property at a time. */
#include <stdio.h>
#include <string.h>

#include "netguard.h"

#define HOST 0xc0000202u /* 192.0.2.2 */
#define FAR 0xc6336401u  /* 198.51.100.1 */
enum { ICMP = 1, TCP = 6, UDP = 17, SYN = 2, ACK = 16 };

static int failures;
static uint8_t frame[2048];

static bool is_host(uint32_t address)
{
    return address == HOST;
}

static void check(bool want, size_t len, const char *what)
{
    if (guard_allows(frame, len, is_host) == want)
        return;
    printf("not ok: %s\n", what);
    failures++;
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* An IPv4 packet of the guest's with 40 bytes. */
static size_t packet(int protocol, uint32_t to, int flags)
{
    memset(frame, 0, sizeof frame);
    frame[12] = 8;
    uint8_t *ip = frame + 14;
    ip[0] = 0x45;
    ip[3] = 40;
    ip[9] = (uint8_t)protocol;
    put32(ip + 12, GUARD_GUEST);
    put32(ip + 16, to);
    ip[20 + 3] = 53;
    ip[20 + 13] = (uint8_t)flags;
    return 54;
}

static size_t arp(uint32_t sender)
{
    static const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0, 1};
    memset(frame, 0, sizeof frame);
    frame[12] = 8;
    frame[13] = 6;
    memcpy(frame + 14, head, sizeof head);
    put32(frame + 28, sender);
    return 42;
}

static void check_addresses(void)
{
    static const uint32_t refused[] = {
        0x7f000001u, 0x7f010203u, 0x7fffffffu, 0, 0x00000001u,  /* loopback, this host */
        0xa9fea9feu, 0xa9fe0001u,                               /* 169.254.169.254 and its link */
        0xe0000001u, 0xeffffffau, 0xf0000001u, 0xffffffffu,     /* groups, reserved, broadcast */
        0x0a000202u, 0x0a00020fu, 0x0a0002ffu,                  /* the guest's own network */
        HOST,
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char what[64];
        snprintf(what, sizeof what, "to %08x", refused[i]);
        check(false, packet(TCP, refused[i], SYN), what);
        check(false, packet(UDP, refused[i], 0), what);
        check(false, packet(ICMP, refused[i], 0), what);
    }
    static const int protocols[] = {TCP, UDP, ICMP};
    for (int i = 0; i < 3; i++) {
        check(true, packet(protocols[i], FAR, SYN), "to another machine");
        check(true, packet(protocols[i], 0x0a000101u, SYN), "to a private network");
    }
    check(false, packet(132, FAR, 0), "another protocol");
    check(true, packet(UDP, GUARD_RESOLVER, 0), "a question to the resolver");
    check(false, packet(TCP, GUARD_RESOLVER, SYN), "the resolver by TCP");
    packet(UDP, GUARD_RESOLVER, 0);
    frame[14 + 20 + 3] = 54;
    check(false, 54, "another port of the resolver");
}

static void check_connections(void)
{
    check(true, packet(TCP, HOST, ACK), "a later packet is passt's to judge");
    check(false, packet(TCP, HOST, SYN | ACK), "SYN and ACK together");
    check(false, packet(TCP, HOST, 0), "no flags");
}

static void check_shape(void)
{
    check(false, packet(UDP, FAR, 0) - 1, "shorter than it says");
    check(true, packet(UDP, FAR, 0) + 6, "padded");
    check(false, 33, "no room for a header");
    packet(UDP, FAR, 0);
    frame[14] = 0x44;
    check(false, 54, "a header of 16 bytes");
    frame[14] = 0x4f;
    check(false, 54, "a header longer than the packet");
    frame[14] = 0x65;
    check(false, 54, "another version");
    packet(UDP, FAR, 0);
    frame[14 + 7] = 1;
    check(false, 54, "a fragment");
    packet(UDP, FAR, 0);
    frame[14 + 6] = 0x20;
    check(false, 54, "a first fragment");
    packet(UDP, FAR, 0);
    frame[14 + 6] = 0x40;
    check(true, 54, "not to be fragmented");
    packet(UDP, FAR, 0);
    put32(frame + 26, HOST);
    check(false, 54, "somebody else's address as the sender");
    packet(UDP, FAR, 0);
    frame[12] = 0x86;
    frame[13] = 0xdd;
    check(false, 54, "IPv6");
    frame[12] = 0x81;
    frame[13] = 0;
    check(false, 54, "VLAN");
    check(true, arp(GUARD_GUEST), "ARP of the guest");
    check(false, arp(HOST), "ARP for another");
    check(false, arp(GUARD_GUEST) - 1, "ARP cut short");
}

/* Frames come in pieces, good ones and bad ones mixed. */
static void check_stream(void)
{
    uint8_t in[512] = {0}, out[512];
    size_t len = 0, out_len = 0;
    for (int i = 0; i < 3; i++) {
        size_t n = packet(UDP, i == 1 ? 0x7f000001u : FAR, 0);
        put32(in + len, (uint32_t)n);
        memcpy(in + len + 4, frame, n);
        len += 4 + n;
    }
    long used = guard_filter(in, len - 1, out, &out_len, is_host);
    bool first = used == 2 * 58 && out_len == 58;
    used = guard_filter(in + used, len - (size_t)used, out, &out_len, is_host);
    if (!first || used != 58 || out_len != 2 * 58 || memcmp(out, in, 58) != 0 || memcmp(out + 58, in + 2 * 58, 58) != 0) {
        printf("not ok: a stream in pieces\n");
        failures++;
    }
    put32(in, GUARD_FRAME_MAX + 1);
    out_len = 0;
    if (guard_filter(in, 4, out, &out_len, is_host) != -1) {
        printf("not ok: a length that cannot be\n");
        failures++;
    }
}

int main(void)
{
    check_addresses();
    check_connections();
    check_shape();
    check_stream();
    if (failures == 0)
        puts("network guard: ok");
    return failures != 0;
}
