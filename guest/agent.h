/* What the whole agent knows about itself. */
#ifndef BANGER_AGENT_H
#define BANGER_AGENT_H

#include <stdbool.h>
#include <stdint.h>

enum role { ROLE_INIT, ROLE_BESIDE, ROLE_HOSTED };

struct agent {
    enum role role;
    int state_fd; /* root of the state filesystem, -1 if there is none */
    int init_gate; /* closing it lets the image's init start; -1 when there is nothing to let in */
    uint64_t init_ns, root_ns, ready_ns;
    bool systemd; /* the image's init was chosen by its name to be systemd */
    char **env;   /* `configure.env`, NULL terminated; NULL = none */
};

extern struct agent agent;

const char *role_name(enum role role);
uint64_t boottime_ns(void);

#endif
