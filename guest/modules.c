#include "modules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cmdline.h"
#include "console.h"

#ifndef MODULE_INIT_COMPRESSED_FILE
#define MODULE_INIT_COMPRESSED_FILE 4
#endif

/*
 * What the kernel's command line says for a module, as modprobe would pass it on: a kernel applies `name.parameter=value`
 * itself only to what is built in. Firecracker may declare its devices so (virtio_mmio.device=…).
 */
static const char *parameters(const char *path, char *text, size_t cap)
{
    char name[64], word[1024];
    const char *file = strrchr(path, '/') + 1;
    int len = snprintf(name, sizeof name, "%.*s.", (int)strcspn(file, "."), file);
    text[0] = 0;
    for (const char *at = NULL; len < (int)sizeof name && cmdline_next(&at, word, sizeof word) != NULL;) {
        size_t used = strlen(text);
        if (strncmp(word, name, (size_t)len) == 0)
            snprintf(text + used, cap - used, "%s%s", used > 0 ? " " : "", word + len);
    }
    return text;
}

static void load(const char *path)
{
    char text[2048];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        console_say("module %s: %s", path, strerror(errno));
        return;
    }
    size_t len = strlen(path);
    int flags = len > 3 && strcmp(path + len - 3, ".ko") != 0 ? MODULE_INIT_COMPRESSED_FILE : 0;
    if (syscall(SYS_finit_module, fd, parameters(path, text, sizeof text), flags) != 0 && errno != EEXIST)
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
