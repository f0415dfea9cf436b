/* Work that may block for long (sync, network of the guest's disk) runs in a forked copy of the agent. */
#ifndef BANGER_JOB_H
#define BANGER_JOB_H

#include <stdbool.h>

struct job;

/* `work` runs in the child, its result is the exit code; `done` gets the wait status. NULL = cannot fork (errno). */
struct job *job_start(int (*work)(void *ctx), void (*done)(void *ctx, int status), void *ctx);
/* Kills it; `done` is not called any more. */
void job_cancel(struct job *j);
/* True when the child was a job. */
bool job_child_ended(int pid, int status);

#endif
