#ifndef BANGER_MODULES_H
#define BANGER_MODULES_H

/* Inserts the kernel modules that `list` names, one path per line, in order. What does not work is said, not fatal. */
void modules_load(const char *list);

#endif
