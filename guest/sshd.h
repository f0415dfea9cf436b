/*
 * An ssh server whose host keys were replaced. It reads them when it starts and when it is told to (SIGHUP), and beginning anew is
 * the most costly thing that a copy of a machine has to do, so that happens only when somebody wants to talk to it, or a little
 * later. Until then it stands still: nobody is ever shown the former key. Connections that are open have processes of their own.
 */
#ifndef BANGER_SSHD_H
#define BANGER_SSHD_H

#include <stdbool.h>

struct sshd_waiter {
    struct sshd_waiter *next;
    bool waiting;
    void (*ready)(struct sshd_waiter *w);
};

/* Its keys are other ones now. */
void sshd_renewed(void);

/* Has it begin anew if that is due, and `ready` called once it listens again, or gave no sign of it for some seconds. False =
 * nothing is due, and it will not be called. */
bool sshd_wanted(struct sshd_waiter *w, void (*ready)(struct sshd_waiter *w));
void sshd_wait_cancel(struct sshd_waiter *w);

#endif
