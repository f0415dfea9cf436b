/*
 * The byte stream to the host: a virtio-serial port, or a listening socket of which the newest connection counts.
 */
#ifndef BANGER_LINK_H
#define BANGER_LINK_H

#include <stdbool.h>

#include "mux.h"

/* Each returns 0 or -1 with errno. One of them, once. */
int link_open_port(struct mux *m, const char *device);
int link_listen_unix(struct mux *m, const char *path);
int link_listen_vsock(struct mux *m, unsigned port);

/* The device of the virtio-serial port with that name ("/dev/vportXpY"); false = there is none. */
bool link_find_port(const char *name, char *device, size_t cap);

/* Moves what can be moved. True = there is more to do without waiting. */
bool link_turn(void);

#endif
