#include "textfile.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fsops.h"

int text_write(const char *path, const void *content, size_t len, uint32_t mode, struct failure *f)
{
    /* Written anew at each start, so a crash loses nothing; waiting for the disk would be most of a configuration's time. */
    struct fs_write_options o = {.mode = mode, .make_parents = true, .no_sync = true};
    struct fs_write *w = fs_write_open(path, &o, f);
    if (w == NULL)
        return -1;
    if (fs_write_data(w, content, len, f) != 0) {
        fs_write_abort(w);
        return -1;
    }
    return fs_write_commit(w, NULL, f);
}

char *text_read(const char *path)
{
    char *text = calloc(1, TEXT_MAX + 1);
    int fd = text != NULL ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd < 0)
        return text;
    size_t len = 0;
    for (ssize_t n; len < TEXT_MAX && (n = read(fd, text + len, TEXT_MAX - len)) > 0;)
        len += (size_t)n;
    close(fd);
    return text;
}
