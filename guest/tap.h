/*
 * Runs on the host, in a monitor's jail, for monitors that know a guest's network as a tap only: makes one in a network namespace
 * and carries its frames to and from a socket, as QEMU does for its guests (each frame after its length, 32 bits big-endian). So
 * the same guard (netguard.h) stands between any guest and passt, and can come and go while the guest runs.
 */
#ifndef BANGER_TAP_H
#define BANGER_TAP_H

#include <sys/types.h>

/* Who carries the frames, and to whom alone the tap is open. */
struct tap_user {
    uid_t uid;
    gid_t gid;
};

/*
 * Runs COMMAND in a network namespace of its own, without any capability, and listens on NET: one connection at a time carries
 * frames; without one what the guest sends is lost. Ends when COMMAND does, with its exit status (128 + n when signal n ended it).
 * As process 1 of its namespace it takes COMMAND along when it ends before.
 */
int tap(const char *name, const char *net, char **command);

/*
 * For root: the same in the network namespace that is there, which nobody else may be in. COMMAND keeps all rights, as a jailer
 * needs them; who carries the frames becomes USER, without any capability, and cannot be traced by others of that user.
 */
int tap_for(const struct tap_user *user, const char *name, const char *net, char **command);

#endif
