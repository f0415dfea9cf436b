/* Runs a monitor that finds private copies of a template's files: what it could write to is nobody else's. */
#ifndef BANGER_LEND_H
#define BANGER_LEND_H

/* The copies lie in memory and have no name in any filesystem; holes take nothing. `command` inherits them, open, as the
 * descriptors below. `bytes` is the size that the memory must have; it is filled while the command starts, and then one byte is
 * written to LEND_DONE_FD, which the command does not get. Returns only on failure, told on standard error. In the place of
 * `memory`'s path may be the number of a descriptor that was passed on, LEND_FROM_FD; the command does not get that either. */
int lend(const char *state, const char *memory, const char *bytes, char **command);

/* The same for a state that has the memory in it: the command inherits a pipe, which the file is read into beside it. */
int lend_stream(const char *state, char **command);

#define LEND_STATE_FD 3
#define LEND_MEMORY_FD 4
#define LEND_DONE_FD 5
#define LEND_FROM_FD 6

#endif
