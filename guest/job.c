#include "job.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct job {
    struct job *next;
    int pid;
    void (*done)(void *ctx, int status);
    void *ctx;
};

static struct job *jobs;

struct job *job_start(int (*work)(void *ctx), void (*done)(void *ctx, int status), void *ctx)
{
    struct job *j = malloc(sizeof *j);
    if (j == NULL)
        return NULL;
    pid_t pid = fork();
    if (pid < 0) {
        free(j);
        return NULL;
    }
    if (pid == 0)
        _exit(work(ctx));
    *j = (struct job){jobs, pid, done, ctx};
    jobs = j;
    return j;
}

void job_cancel(struct job *j)
{
    j->done = NULL;
    kill(j->pid, SIGKILL);
}

bool job_child_ended(int pid, int status)
{
    for (struct job **at = &jobs; *at != NULL; at = &(*at)->next) {
        struct job *j = *at;
        if (j->pid != pid)
            continue;
        *at = j->next;
        if (j->done != NULL)
            j->done(j->ctx, status);
        free(j);
        return true;
    }
    return false;
}
