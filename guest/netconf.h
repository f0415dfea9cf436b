/* The guest's address, as `configure` gives it. IPv4 only: the host's networks have no other. */
#ifndef BANGER_NETCONF_H
#define BANGER_NETCONF_H

#include "status.h"

/* Takes address and routes away and the interface down; one that is not there is down. 0 or -1. */
int netconf_down(const char *interface, struct failure *f);

/* `address` ("10.0.2.15/24") or `gateway` may be NULL. Brings the interface up; a former address or default route of it
 * is replaced. 0 or -1. */
int netconf_apply(const char *interface, const char *address, const char *gateway, struct failure *f);

#endif
