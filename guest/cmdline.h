/*
 * The kernel's command line.
 */
#ifndef BANGER_CMDLINE_H
#define BANGER_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>

/* Its words one after the other; *at starts as NULL. NULL = no more. Words are cut at `cap`. */
const char *cmdline_next(const char **at, char *word, size_t cap);

/* The value of the first word KEY=VALUE; false = there is none. */
bool cmdline_value(const char *key, char *value, size_t cap);

/* The reboot(2) command that ends this machine: Firecracker has no power button, and ends when its guest resets. */
int cmdline_off(void);

#endif
