/* Finds the VM's disks by their virtio serial. */
#ifndef BANGER_DISKS_H
#define BANGER_DISKS_H

#define DISK_PATH 32

struct disks {
    char base[DISK_PATH], state[DISK_PATH], modules[DISK_PATH]; /* "/dev/vdX"; modules may be empty */
};

/* Opens the socket that tells of new devices. Before the modules are loaded, so that nothing is missed. */
int disks_listen(void);
/* After the modules are loaded: the driver that is neither among them nor in the kernel, without which no disk can appear; NULL if none. */
const char *disks_driver_missing(void);
/* Waits until base and state are there; 0, or -1 after `seconds` (then `found` holds what there is; errno is 0). */
int disks_wait(int uevents, unsigned seconds, struct disks *found);

#endif
