/* Runs a program that finds a private copy of a file's content in memory: a saved machine's memory, for its monitor. */
#ifndef BANGER_LEND_H
#define BANGER_LEND_H

/* The copy has `bytes` and no name in any filesystem; the program inherits it, open, as descriptor `LEND_FD`. Holes of the
 * file take nothing. Returns only on failure, which is told on standard error. */
int lend(const char *file, const char *bytes, char **command);

#define LEND_FD 4

#endif
