/* The table of processes started for the host: their output rings, deadlines, attachment and exit status. */
#ifndef BANGER_PROC_H
#define BANGER_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "loop.h"
#include "mux.h"
#include "ring.h"
#include "sink.h"
#include "spawn.h"

#define PROC_MAX 1024u
#define PROC_ENDED_MAX 256u
#define PROC_ENDED_SECONDS 3600u
#define PROC_LABEL_MAX 64u

enum on_disconnect { KEEP_RUNNING = 0, HANG_UP = 1 };

/* One output of a process. */
struct proc_out {
    struct source src;
    struct proc *proc;
    struct ring ring;
    uint64_t sent; /* offset of the next byte for the attached stream */
    uint32_t owed; /* after the end: bytes the process itself had written and that are still to be read */
    bool dropped;  /* closed by us while a background child still held it: no EOF is claimed */
};

struct proc {
    struct proc *next;
    uint64_t id;
    int pid;
    bool starting, ended, group_killed;
    bool pty, timed_out, attach;
    enum on_disconnect on_disconnect;
    uint64_t started_ns; /* since the epoch */
    uint64_t ended_at;   /* now_ns() */
    int status;          /* of waitpid */
    struct rusage usage;
    char label[PROC_LABEL_MAX + 1];
    uint64_t deadline_ns;
    struct spawn spec;     /* owned: argv, env (until it runs), cwd */
    struct launch *launch; /* until it runs */
    struct user user;
    struct source error;
    struct sink in;
    struct proc_out out[2]; /* channels 1 and 2 */
    struct timer deadline, kill, drain;
    struct stream *stream;
};

/* An empty process to be filled by the caller; NULL when the table is full. */
struct proc *proc_new(void);
/* Frees a process that was never started. */
void proc_discard(struct proc *p);
/* Starts it; answers `s` now or later. Takes the process over in every case. */
void proc_start(struct proc *p, struct stream *s);

struct proc *proc_find(uint64_t id);
struct proc *proc_first(void);
void proc_forget_old(void);

/* Attaches `s` (answered by the caller before); an older attachment is taken over. */
void proc_attach(struct proc *p, struct stream *s, uint64_t stdout_offset, uint64_t stderr_offset);
/* 0 or -1 with errno. */
int proc_signal(struct proc *p, int signal, bool group);
int proc_resize(struct proc *p, uint16_t rows, uint16_t cols);

/* The machine goes down: every group is asked to end (as a terminal that closes would), and killed after the grace. */
void proc_end_all(uint64_t grace_ns);
void proc_kill_all(void);

/* A child of the agent has ended; ignored when it is none of the table. */
void proc_child_ended(int pid, int status, const struct rusage *usage);

#endif
