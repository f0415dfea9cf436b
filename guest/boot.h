#ifndef BANGER_BOOT_H
#define BANGER_BOOT_H

/* /init of the initramfs: assembles the root, starts the agent, becomes the image's init. */
_Noreturn void boot(void);

#endif
