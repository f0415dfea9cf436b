#ifndef BANGER_PTY_H
#define BANGER_PTY_H

#include <stdint.h>

/* Opens a pseudo terminal of that size; the master, or -1. Both ends are CLOEXEC, neither becomes controlling. */
int pty_open(uint16_t rows, uint16_t cols, int *slave);
int pty_resize(int master, uint16_t rows, uint16_t cols);
/* The character that means end of input on this terminal, 0 when it has none (raw mode). */
uint8_t pty_eof_char(int master);

#endif
