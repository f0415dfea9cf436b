#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "cmdline.h"

void console_open(void)
{
    int fd = open("/dev/console", O_RDWR | O_NOCTTY);
    if (fd < 0)
        return;
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
    if (fd > 2)
        close(fd);
}

static void say(const char *format, va_list args, const char *reason)
{
    char line[600];
    int n = snprintf(line, sizeof line, "banger-init: ");
    n += vsnprintf(line + n, sizeof line - (size_t)n - 1, format, args);
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    if (reason != NULL)
        n += snprintf(line + n, sizeof line - (size_t)n - 1, ": %s", reason);
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    line[n++] = '\n';
    ssize_t done = write(2, line, (size_t)n); /* one write: not torn by kernel messages */
    (void)done;
}

void console_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args, NULL);
    va_end(args);
}

void console_fatal(const char *format, ...)
{
    const char *reason = errno != 0 ? strerror(errno) : NULL;
    va_list args;
    va_start(args, format);
    say(format, args, reason);
    va_end(args);
    sync();
    usleep(100000); /* lets a slow serial line finish */
    reboot(cmdline_off());
    for (;;)
        pause();
}
