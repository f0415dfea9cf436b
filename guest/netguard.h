/*
 * Runs on the host, between a monitor's network socket and passt: everything that a guest sends passes it. passt (as of 2023)
 * takes a packet to 127.0.0.1 or 0.0.0.0 that a guest made by hand for one to its own loopback; so what may leave is
 * decided here, by addresses alone.
 */
#ifndef BANGER_NETGUARD_H
#define BANGER_NETGUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The guest's network, the same for every VM; src/network/addresses.ts says the same. */
#define GUARD_GUEST 0x0a00020fu    /* 10.0.2.15 */
#define GUARD_GATEWAY 0x0a000202u  /* 10.0.2.2 */
#define GUARD_RESOLVER 0x0a000203u /* 10.0.2.3, which passt forwards to the host's resolver */
#define GUARD_NET 0x0a000200u
#define GUARD_MASK 0xffffff00u

/* Longest frame that is passed on: an IP packet of 65535 bytes. */
#define GUARD_FRAME_MAX (14u + 65535u)

/*
 * Whether a frame of the guest's may leave. `is_host` tells whether an address (host byte order) is one of this host's own;
 * it is asked for what begins a connection or stands for itself.
 */
bool guard_allows(const uint8_t *frame, size_t len, bool (*is_host)(uint32_t address));

/*
 * Moves the whole frames at the beginning of `in` (each after its length, 32 bits big-endian) that may leave to `out`, which has
 * room for all of them. Returns how many bytes of `in` were dealt with; -1: this is no stream of frames.
 */
long guard_filter(const uint8_t *in, size_t len, uint8_t *out, size_t *out_len, bool (*is_host)(uint32_t address));

/*
 * Starts passt (its command line, to which the socket is descriptor 3), connects to NET once passt has answered, listens on
 * CONTROL (whoever connects there sees this end), says so with one byte on standard output, and carries frames to and fro until
 * either side ends. Then the other does, too. Each direction carries at most `rate` bytes each second, and `burst` at once after
 * a rest; a rate of 0 is no limit.
 */
int netguard(const char *net, const char *control, uint64_t rate, uint64_t burst, char **passt);

#endif
