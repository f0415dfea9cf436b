#include "modules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "console.h"

#ifndef MODULE_INIT_COMPRESSED_FILE
#define MODULE_INIT_COMPRESSED_FILE 4
#endif

static void load(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        console_say("module %s: %s", path, strerror(errno));
        return;
    }
    size_t len = strlen(path);
    int flags = len > 3 && strcmp(path + len - 3, ".ko") != 0 ? MODULE_INIT_COMPRESSED_FILE : 0;
    if (syscall(SYS_finit_module, fd, "", flags) != 0 && errno != EEXIST)
        console_say("module %s: %s", path, strerror(errno));
    close(fd);
}

void modules_load(const char *list)
{
    FILE *file = fopen(list, "re");
    char path[512];
    while (file != NULL && fgets(path, sizeof path, file) != NULL) {
        path[strcspn(path, "\r\n")] = 0;
        if (path[0] == '/')
            load(path);
    }
    if (file != NULL)
        fclose(file);
}
