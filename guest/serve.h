/* The agent proper: from an open loop to serving for good. */
#ifndef BANGER_SERVE_H
#define BANGER_SERVE_H

/* Signals, limits, OOM score. Call first. */
void serve_prepare(void);
/* NULL = inside a VM (virtio-serial port, else vsock). Returns only when no channel could be opened: the exit code. */
int serve(const char *listen_path);

#endif
