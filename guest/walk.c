#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "beneath.h"

#define ENTRIES_SIZE 16384u
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* What getdents64 returns; a libc's `struct dirent` need not look like it. */
struct kernel_dirent {
    uint64_t ino;
    int64_t next;
    uint16_t record_len;
    uint8_t type;
    char name[];
};

static struct walk_level *top_level(const struct walk *w)
{
    return &w->levels[w->depth - 1];
}

static void level_close(struct walk_level *l)
{
    if (l->fd >= 0)
        close(l->fd);
    free(l->entries);
    l->fd = -1;
    l->entries = NULL;
    l->pos = l->len = 0;
}

static int reserve_level(struct walk *w)
{
    if (w->depth < w->room)
        return 0;
    size_t room = w->room ? w->room * 2 : 16;
    struct walk_level *levels = realloc(w->levels, room * sizeof *levels);
    if (levels == NULL)
        return -1;
    w->levels = levels;
    w->room = room;
    return 0;
}

static int reserve_path(struct walk *w, size_t need)
{
    if (need > w->path_max) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (need < w->path_room)
        return 0;
    size_t room = need * 2 + 256;
    char *path = realloc(w->path, room);
    if (path == NULL)
        return -1;
    w->path = path;
    w->path_room = room;
    return 0;
}

static int push(struct walk *w, const char *name, size_t name_len, const struct stat *st, int fd)
{
    size_t at = w->depth ? top_level(w)->path_len : 0;
    size_t slash = at > 0;
    if (reserve_level(w) != 0 || reserve_path(w, at + slash + name_len) != 0)
        return -1;
    if (slash)
        w->path[at] = '/';
    memcpy(w->path + at + slash, name, name_len);
    w->path[at + slash + name_len] = 0;
    /* Keep the top: it is the way back when a directory in between was moved. */
    if (w->depth >= WALK_MAX_OPEN)
        level_close(&w->levels[w->depth - WALK_MAX_OPEN + 1]);
    w->levels[w->depth++] =
        (struct walk_level){.fd = fd, .path_len = at + slash + name_len, .dev = st->st_dev, .ino = st->st_ino};
    return 0;
}

int walk_enter(struct walk *w, const char *name, int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && push(w, name, strlen(name), &st, fd) == 0)
        return 0;
    int err = errno;
    close(fd);
    errno = err;
    return -1;
}

int walk_open(struct walk *w, int fd, size_t path_max)
{
    *w = (struct walk){.path_max = path_max};
    if (walk_enter(w, "", fd) == 0)
        return 0;
    walk_close(w);
    return -1;
}

static int fill(struct walk_level *l)
{
    if (l->entries == NULL && (l->entries = malloc(ENTRIES_SIZE)) == NULL)
        return -1;
    long n = syscall(SYS_getdents64, l->fd, l->entries, ENTRIES_SIZE);
    if (n < 0 && errno == ENOENT) /* removed while it was open */
        n = 0;
    if (n < 0)
        return -1;
    l->pos = 0;
    l->len = (size_t)n;
    return n > 0;
}

static bool is_dot(const char *name)
{
    return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

int walk_next(struct walk *w, const char **name, unsigned char *type)
{
    struct walk_level *l = top_level(w);
    while (!l->gone) {
        if (l->pos >= l->len) {
            int got = fill(l);
            if (got <= 0)
                return got;
        }
        const struct kernel_dirent *d = (const void *)(l->entries + l->pos);
        l->pos += d->record_len;
        l->cookie = d->next;
        if (is_dot(d->name))
            continue;
        *name = d->name;
        *type = d->type;
        return 1;
    }
    return 0;
}

void walk_rewind(struct walk *w)
{
    struct walk_level *l = top_level(w);
    l->pos = l->len = 0;
    l->cookie = 0;
    if (l->fd >= 0)
        lseek(l->fd, 0, SEEK_SET);
}

static bool is_level(int fd, const struct walk_level *l)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino;
}

/* Opens a closed level again: up from its child, or from the top when the child was moved or removed meanwhile. */
static int reopen(struct walk *w, struct walk_level *l, int child_fd)
{
    int fd = child_fd >= 0 ? openat(child_fd, "..", DIR_FLAGS) : -1;
    if (fd >= 0 && !is_level(fd, l)) {
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        fd = beneath_open(w->levels[0].fd, w->path, l->path_len, DIR_FLAGS, false);
    if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != ESTALE)
        return -1;
    if (fd < 0 || !is_level(fd, l)) {
        if (fd >= 0)
            close(fd);
        l->gone = true;
        return 0;
    }
    l->fd = fd;
    return lseek(fd, l->cookie, SEEK_SET) < 0 ? -1 : 0;
}

int walk_leave(struct walk *w)
{
    struct walk_level *child = top_level(w);
    if (w->depth == 1)
        return 0;
    struct walk_level *parent = child - 1;
    int result = 0;
    w->path[parent->path_len] = 0;
    if (parent->fd < 0 && !parent->gone)
        result = reopen(w, parent, child->fd);
    int err = errno;
    level_close(child);
    w->depth--;
    errno = err;
    return result < 0 ? -1 : 1;
}

int walk_fd(const struct walk *w)
{
    return top_level(w)->fd;
}

void walk_close(struct walk *w)
{
    while (w->depth > 0)
        level_close(&w->levels[--w->depth]);
    free(w->levels);
    free(w->path);
    *w = (struct walk){0};
}
