/* The VM's root filesystem: base image, state disk and the overlay of both. */
#ifndef BANGER_ROOT_H
#define BANGER_ROOT_H

#include "disks.h"

/* Mounts everything, makes it "/" and removes the initramfs. Returns the descriptor of the state filesystem's root.
 * Does not return when the VM cannot run. */
int root_assemble(const struct disks *disks);

/* The early kernel filesystems (/proc, /sys, /dev), in the initramfs and again in the new root. */
void root_mount_kernel(void);

#endif
