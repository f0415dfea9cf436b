/* The host's device of a guest's tap (tap.h). */
#ifndef BANGER_TAP_DEVICE_H
#define BANGER_TAP_DEVICE_H

#include <sys/types.h>

/*
 * Makes it in this network namespace, where OWNER alone may open it: up, with no address, answering nothing. Returns a socket that
 * has all frames of the guest's and through which frames get to it, -1: what failed is told.
 */
int tap_device(const char *name, uid_t owner);

/* Tells on standard error what failed, and why (errno). Returns -1. */
int tap_failed(const char *what);

#endif
