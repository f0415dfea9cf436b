#include "agent.h"

#include <time.h>

struct agent agent = {.role = ROLE_HOSTED, .state_fd = -1, .init_gate = -1};

const char *role_name(enum role role)
{
    return role == ROLE_INIT ? "init" : role == ROLE_BESIDE ? "beside" : "hosted";
}

uint64_t boottime_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
