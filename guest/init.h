/* PID 1 for images that have no init of their own. */
#ifndef BANGER_INIT_H
#define BANGER_INIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define AGENT_PATH "/run/banger/banger-agent"

struct boot_facts {
    uint64_t init_ns, root_ns;
    int state_fd, init_gate; /* see agent.h */
    bool beside; /* another program is PID 1 */
};

/* Forks the agent: its pid, or -1. */
pid_t init_start_agent(const struct boot_facts *facts);

/* Reaps, keeps the agent alive, powers off when told: SIGTERM, SIGINT, SIGPWR; from the agent SIGRTMIN+4 (power off)
 * and SIGRTMIN+5 (reboot) with the grace in milliseconds as the signal's value. */
_Noreturn void init_run(const struct boot_facts *facts);

#endif
