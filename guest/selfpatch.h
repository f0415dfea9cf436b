/* Has the kernel change its own code while nothing else runs. */
#ifndef BANGER_SELFPATCH_H
#define BANGER_SELFPATCH_H

/*
 * Turns on, for as long as the guest is up, what the image's init would turn on a moment later in the middle of its work.
 * To be called while this process is the only one. Does nothing where the danger does not exist; what fails is left to init.
 *
 * The danger: an emulator with a thread for each processor may go on running a breakpoint that the kernel set for a moment to
 * change code under the other processors' feet, and the guest then hangs or panics in "int3" (QEMU before 8.1; mended there
 * by commit deba78709ae8, "accel/tcg: Always lock pages before translation").
 */
void selfpatch_early(void);

#endif
