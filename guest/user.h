/* Users of the guest, read from its own /etc/passwd and /etc/group: a static binary must not load NSS modules. */
#ifndef BANGER_USER_H
#define BANGER_USER_H

#include <sys/types.h>

#include "status.h"

#define USER_GROUPS 64

struct user {
    uid_t uid;
    gid_t gid;
    gid_t groups[USER_GROUPS];
    int group_count;
    char name[128];
    char home[1024];
    char shell[256];
};

/* `spec` is `name`, `uid`, `name:group` or `uid:gid`; empty = the agent's own user (root in a VM). 0 or -1. */
int user_lookup(const char *spec, struct user *out, struct failure *f);

#endif
