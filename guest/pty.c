#include "pty.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

int pty_resize(int master, uint16_t rows, uint16_t cols)
{
    struct winsize size = {.ws_row = rows, .ws_col = cols};
    return ioctl(master, TIOCSWINSZ, &size);
}

int pty_open(uint16_t rows, uint16_t cols, int *slave)
{
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0)
        return -1;
    int unlock = 0;
    /* The slave by ioctl, not by name: works whatever is mounted on /dev/pts at the moment. */
    if (ioctl(master, TIOCSPTLCK, &unlock) != 0 || (*slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
        int err = errno;
        close(master);
        errno = err;
        return -1;
    }
    pty_resize(master, rows, cols);
    struct termios t;
    if (tcgetattr(*slave, &t) == 0) {
        t.c_iflag |= IUTF8; /* erase whole characters */
        tcsetattr(*slave, TCSANOW, &t);
    }
    return master;
}

uint8_t pty_eof_char(int master)
{
    struct termios t;
    if (tcgetattr(master, &t) != 0 || (t.c_lflag & ICANON) == 0)
        return 0;
    return t.c_cc[VEOF];
}
