/* Blocking system calls (fsync, sync) on a thread, so that the loop goes on serving everybody else. */
#ifndef BANGER_WORKER_H
#define BANGER_WORKER_H

/* `work` runs on another thread and may touch nothing but `ctx`; then `done` runs in the loop. Always both. When no
 * thread can be had, both run at once: slower, never wrong. */
void worker_run(void (*work)(void *ctx), void (*done)(void *ctx), void *ctx);

#endif
