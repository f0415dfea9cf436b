#include "tree_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "walk.h"

struct tree_list {
    struct walk walk;
    dev_t dev;
    char skip[PATH_MAX];
    char path[PATH_MAX + NAME_MAX + 2]; /* of the last entry */
    char enter[NAME_MAX + 1];           /* a directory that was described and is to be entered next; "" = none */
};

struct tree_list *tree_list_open(const char *path, const char *skip, struct failure *f)
{
    struct stat st;
    struct tree_list *t = calloc(1, sizeof *t);
    int fd = t != NULL ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0 || fstat(fd, &st) != 0 || walk_open(&t->walk, fd, PATH_MAX) != 0) {
        failure_errno(f, errno, "list", path);
        free(t);
        return NULL;
    }
    t->dev = st.st_dev;
    strncpy(t->skip, skip != NULL ? skip : "", sizeof t->skip - 1);
    return t;
}

static bool is_gone(int err)
{
    return err == ENOENT || err == ENOTDIR || err == ELOOP;
}

/* Goes into the directory that was described last. */
static int enter(struct tree_list *t)
{
    char name[NAME_MAX + 1];
    memcpy(name, t->enter, sizeof name);
    t->enter[0] = 0;
    int fd = openat(walk_fd(&t->walk), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return is_gone(errno) ? 0 : -1;
    return walk_enter(&t->walk, name, fd);
}

static int set_path(struct tree_list *t, const char *name)
{
    size_t dir = strlen(t->walk.path), len = strlen(name);
    if (dir + 1 + len >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(t->path, t->walk.path, dir);
    if (dir > 0)
        t->path[dir++] = '/';
    memcpy(t->path + dir, name, len + 1);
    return 0;
}

/* Describes `name` of the current directory. 1, 0 when it is gone, -1. */
static int describe(struct tree_list *t, const char *name, struct fs_entry *out)
{
    if (set_path(t, name) != 0)
        return -1;
    if (fs_entry_at(walk_fd(&t->walk), name, out) != 0)
        return is_gone(errno) ? 0 : -1;
    if (strcmp(out->type, "dir") == 0 && out->dev == t->dev && strcmp(t->path, t->skip) != 0)
        memcpy(t->enter, out->name, sizeof t->enter);
    return 1;
}

int tree_list_next(struct tree_list *t, struct fs_entry *out, const char **name, struct failure *f)
{
    for (;;) {
        const char *next;
        unsigned char type;
        if (t->enter[0] != 0 && enter(t) != 0)
            return failure_errno(f, errno, "enter", t->path);
        int more = walk_next(&t->walk, &next, &type);
        if (more == 0) {
            int up = walk_leave(&t->walk);
            if (up > 0)
                continue;
            return up < 0 ? failure_errno(f, errno, "list", t->path) : 0;
        }
        int found = more < 0 ? -1 : describe(t, next, out);
        if (found < 0)
            return failure_errno(f, errno, "look at", t->path);
        if (found == 0)
            continue;
        *name = t->path;
        return 1;
    }
}

void tree_list_close(struct tree_list *t)
{
    if (t == NULL)
        return;
    walk_close(&t->walk);
    free(t);
}
