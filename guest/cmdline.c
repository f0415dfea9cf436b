#include "cmdline.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#define BLANKS " \t\r\n"

static char line[4097]; /* COMMAND_LINE_SIZE is 2048 on most machines, 4096 at most */

static const char *command_line(void)
{
    if (line[0] != 0)
        return line;
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, line, sizeof line - 1) : 0;
    if (fd >= 0)
        close(fd);
    line[n > 0 ? n : 0] = 0;
    return line;
}

const char *cmdline_next(const char **at, char *word, size_t cap)
{
    if (*at == NULL)
        *at = command_line();
    *at += strspn(*at, BLANKS);
    size_t len = strcspn(*at, BLANKS);
    if (len == 0)
        return NULL;
    snprintf(word, cap, "%.*s", (int)len, *at);
    *at += len;
    return word;
}

bool cmdline_value(const char *key, char *value, size_t cap)
{
    char word[1024];
    size_t len = strlen(key);
    for (const char *at = NULL; cmdline_next(&at, word, sizeof word) != NULL;) {
        if (strncmp(word, key, len) == 0 && word[len] == '=') {
            snprintf(value, cap, "%s", word + len + 1);
            return true;
        }
    }
    return false;
}

int cmdline_off(void)
{
    char how[16];
    return cmdline_value("banger.off", how, sizeof how) && strcmp(how, "reset") == 0 ? RB_AUTOBOOT : RB_POWER_OFF;
}
