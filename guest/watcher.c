#include "watcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beneath.h"
#include "walk.h"

#define BUCKETS 4096u
#define PATH_LIMIT 16384u /* a longer path is not reported but counts as lost, so that memory stays bounded */
#define READS_PER_PUMP 16
#define MASK (IN_CREATE | IN_MODIFY | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB)
#define ROOT_MASK (MASK | IN_DELETE_SELF | IN_MOVE_SELF)
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW)

/* A watched directory (or the one watched file). */
struct node {
    int wd;
    unsigned generation; /* of the last scan that saw it */
    bool doomed;
    struct node *parent; /* NULL: the root */
    struct node *next;   /* in its bucket */
    char name[];
};

struct waiting {
    char *path;
    const char *kind;
    bool is_dir;
    uint32_t cookie;
};

struct watcher {
    int inotify;
    char *path; /* as given, for messages */
    /* Where the top is. It is not kept open: the kernel reports the end of a file only when nobody holds it. */
    char *place;
    dev_t dev;
    ino_t ino;
    bool recursive;
    unsigned generation;
    unsigned count;
    struct node *root;
    struct node *buckets[BUCKETS];

    /* A directory that left its place: the next event tells whether it only moved inside the tree. */
    struct node *moved;
    uint32_t moved_cookie;

    struct waiting queue[WATCHER_MAX_EVENTS];
    unsigned first, waiting;
    bool overflow; /* reported when the queue is empty; nothing is queued until then */
    char *given;   /* path of the event the caller has */
};

/* --- nodes ------------------------------------------------------------------------------------------------------- */

static struct node **bucket(struct watcher *w, int wd)
{
    return &w->buckets[(unsigned)wd % BUCKETS];
}

static struct node *node_find(struct watcher *w, int wd)
{
    struct node *n = *bucket(w, wd);
    while (n != NULL && n->wd != wd)
        n = n->next;
    return n;
}

static bool is_below(const struct node *n, const struct node *top)
{
    while (n != NULL && n != top)
        n = n->parent;
    return n != NULL;
}

static struct node *node_at(struct watcher *w, const struct node *parent, const char *name)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct node *n = w->buckets[i]; n != NULL; n = n->next)
            if (n->parent == parent && strcmp(n->name, name) == 0)
                return n;
    return NULL;
}

static struct node *node_new(struct watcher *w, struct node *parent, const char *name, int wd)
{
    size_t len = strlen(name) + 1;
    struct node *n = malloc(sizeof *n + len);
    if (n == NULL)
        return NULL;
    *n = (struct node){.wd = wd, .generation = w->generation, .parent = parent, .next = *bucket(w, wd)};
    memcpy(n->name, name, len);
    *bucket(w, wd) = n;
    w->count++;
    return n;
}

static void node_unlink(struct watcher *w, struct node *n)
{
    struct node **at = bucket(w, n->wd);
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    w->count--;
}

/* Frees all marked nodes and their watches. */
static void drop_doomed(struct watcher *w)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        struct node **at = &w->buckets[i];
        while (*at != NULL) {
            struct node *n = *at;
            if (!n->doomed) {
                at = &n->next;
                continue;
            }
            *at = n->next;
            w->count--;
            if (n == w->moved)
                w->moved = NULL;
            inotify_rm_watch(w->inotify, n->wd);
            free(n);
        }
    }
}

static void drop_below(struct watcher *w, const struct node *top)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct node *n = w->buckets[i]; n != NULL; n = n->next)
            n->doomed = is_below(n, top);
    drop_doomed(w);
}

/* A node with another parent or name: the name is part of it, so it is made anew. */
static struct node *node_move(struct watcher *w, struct node *n, struct node *parent, const char *name)
{
    if (n->parent == parent && strcmp(n->name, name) == 0)
        return n;
    struct node *copy = node_new(w, parent, name, n->wd);
    if (copy == NULL)
        return NULL;
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct node *child = w->buckets[i]; child != NULL; child = child->next)
            if (child->parent == n)
                child->parent = copy;
    node_unlink(w, n);
    free(n);
    return copy;
}

/* --- the queue --------------------------------------------------------------------------------------------------- */

/* "a/b/name" for a name in a node's directory, the node's own path for "", "." for the root. NULL: too long. */
static char *path_of(const struct node *n, const char *name)
{
    char path[PATH_LIMIT];
    size_t start = sizeof path - 1;
    path[start] = 0;
    for (const char *part = name;; part = n->name, n = n->parent) {
        size_t len = strlen(part);
        bool slash = len > 0 && path[start] != 0;
        if (len + slash > start)
            return NULL;
        if (slash)
            path[--start] = '/';
        start -= len;
        memcpy(path + start, part, len);
        if (n == NULL || n->parent == NULL)
            break;
    }
    return strdup(path[start] ? path + start : ".");
}

/* An editor's many small writes are one piece of news; creating or moving twice is not. */
static bool repeats_last(const struct watcher *w, const char *path, const char *kind)
{
    if (w->waiting == 0 || (strcmp(kind, "modify") != 0 && strcmp(kind, "attrib") != 0))
        return false;
    const struct waiting *last = &w->queue[(w->first + w->waiting - 1) % WATCHER_MAX_EVENTS];
    return strcmp(last->kind, kind) == 0 && strcmp(last->path, path) == 0;
}

static void report(struct watcher *w, const struct node *n, const char *name, const char *kind, uint32_t mask,
                   uint32_t cookie)
{
    char *path = w->overflow ? NULL : path_of(n, name);
    if (path == NULL || w->waiting == WATCHER_MAX_EVENTS) {
        free(path);
        w->overflow = true;
        return;
    }
    if (repeats_last(w, path, kind)) {
        free(path);
        return;
    }
    w->queue[(w->first + w->waiting++) % WATCHER_MAX_EVENTS] =
        (struct waiting){path, kind, (mask & IN_ISDIR) != 0, cookie};
}

int watcher_next(struct watcher *w, struct watch_event *out)
{
    free(w->given);
    w->given = NULL;
    *out = (struct watch_event){0};
    if (w->waiting == 0) {
        out->overflow = w->overflow;
        w->overflow = false;
        return out->overflow;
    }
    const struct waiting *e = &w->queue[w->first];
    w->given = e->path;
    *out = (struct watch_event){false, e->path, e->kind, e->is_dir, e->cookie};
    w->first = (w->first + 1) % WATCHER_MAX_EVENTS;
    w->waiting--;
    return 1;
}

/* --- adding watches ---------------------------------------------------------------------------------------------- */

static int watch_failed(const struct watcher *w, int err, struct failure *f)
{
    if (err == ENOSPC || err == EMFILE || err == ENFILE)
        return failure_set(f, ST_TOO_MANY, err, w->path, "the kernel's limit of watches is reached");
    return failure_errno(f, err, "watch", w->path);
}

/* Watches what `fd` is open on; through /proc, so that it is the very file, whatever its path leads to by now. */
static int watch_fd(const struct watcher *w, int fd, uint32_t mask)
{
    char proc[40];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    return inotify_add_watch(w->inotify, proc, mask);
}

/* Watches the open directory `name` in `parent`. NULL with `f` filled in, or with f->status ST_OK: cannot be placed. */
static struct node *watch_dir(struct watcher *w, struct node *parent, const char *name, int fd, struct failure *f)
{
    int wd = watch_fd(w, fd, MASK | IN_ONLYDIR);
    if (wd < 0) {
        watch_failed(w, errno, f);
        return NULL;
    }
    struct node *n = node_find(w, wd);
    if (n != NULL && is_below(parent, n)) {
        /* Directories were moved into each other while we looked: only a new look by the caller helps. */
        w->overflow = true;
        return NULL;
    }
    if (n == NULL && w->count >= WATCHER_MAX_DIRS) {
        inotify_rm_watch(w->inotify, wd);
        failure_set(f, ST_TOO_MANY, 0, w->path, "has more than 8192 directories");
        return NULL;
    }
    if (n != NULL && n == w->moved)
        w->moved = NULL;
    n = n != NULL ? node_move(w, n, parent, name) : node_new(w, parent, name, wd);
    if (n == NULL)
        watch_failed(w, ENOMEM, f);
    else
        n->generation = w->generation;
    return n;
}

static bool is_exhausted(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOMEM;
}

static bool is_dir_entry(int dir, const char *name, unsigned char type)
{
    struct stat st;
    if (type != DT_UNKNOWN)
        return type == DT_DIR;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Goes into a directory that the scan found. What vanished, is unreadable or another filesystem is passed over. */
static int scan_dir(struct watcher *w, struct walk *walk, struct node **at, const char *name, struct failure *f)
{
    int fd = beneath_open(walk_fd(walk), name, strlen(name), DIR_FLAGS, true);
    if (fd < 0)
        return is_exhausted(errno) ? watch_failed(w, errno, f) : 0;
    struct node *n = watch_dir(w, *at, name, fd, f);
    if (n == NULL) {
        close(fd);
        return f->status != ST_OK ? -1 : 0;
    }
    *at = n;
    return walk_enter(walk, name, fd) == 0 ? 0 : watch_failed(w, errno, f);
}

/* One entry, or the end of a directory. 1 = go on, 0 = finished, -1 = failed. */
static int scan_step(struct watcher *w, struct walk *walk, struct node **at, bool tell, struct failure *f)
{
    const char *name;
    unsigned char type;
    int more = walk_next(walk, &name, &type);
    if (more == 0) {
        more = walk_leave(walk);
        *at = more > 0 ? (*at)->parent : *at;
        return more < 0 ? watch_failed(w, errno, f) : more;
    }
    if (more < 0)
        return is_exhausted(errno) ? watch_failed(w, errno, f) : walk_leave(walk);
    bool dir = is_dir_entry(walk_fd(walk), name, type);
    if (tell)
        report(w, *at, name, "create", dir ? IN_ISDIR : 0, 0);
    return dir && scan_dir(w, walk, at, name, f) != 0 ? -1 : 1;
}

/* Watches every directory below `at`, which is open as `fd` (taken over); with `tell`, reports what is there. */
static int scan(struct watcher *w, struct node *at, int fd, bool tell, struct failure *f)
{
    struct walk walk;
    if (walk_open(&walk, fd, SIZE_MAX / 4) != 0)
        return watch_failed(w, errno, f);
    int more;
    do
        more = scan_step(w, &walk, &at, tell, f);
    while (more > 0);
    walk_close(&walk);
    return more;
}

/* --- events ------------------------------------------------------------------------------------------------------ */

/* Opens the watched directory again; ENOENT when another one, or none, has taken its place. */
static int open_top(const struct watcher *w)
{
    struct stat st;
    int fd = open(w->place, DIR_FLAGS | O_CLOEXEC);
    if (fd < 0 || (fstat(fd, &st) == 0 && st.st_dev == w->dev && st.st_ino == w->ino))
        return fd;
    close(fd);
    errno = ENOENT;
    return -1;
}

/* Opens a directory of the tree. The top itself being gone or moved counts as a loss of events. */
static int open_dir(struct watcher *w, const char *path)
{
    int top = open_top(w);
    if (top < 0) {
        w->overflow = true;
        return -1;
    }
    int fd = beneath_open(top, path, strlen(path), DIR_FLAGS, true);
    int err = errno;
    close(top);
    errno = err;
    return fd;
}

/* A directory has appeared. Its content may be older than the watch: what is there is told, rather twice than never. */
static int new_dir(struct watcher *w, struct node *parent, const char *name, struct failure *f)
{
    char *path = path_of(parent, name);
    if (path == NULL) {
        w->overflow = true;
        return 0;
    }
    int fd = open_dir(w, path);
    int err = errno;
    free(path);
    if (fd < 0)
        return is_exhausted(err) ? watch_failed(w, err, f) : 0;
    struct node *n = watch_dir(w, parent, name, fd, f);
    if (n != NULL)
        return scan(w, n, fd, true, f);
    close(fd);
    return f->status != ST_OK ? -1 : 0;
}

/* The kernel's queue was full: directories may have come and gone unseen. */
static int rescan(struct watcher *w, struct failure *f)
{
    w->overflow = true;
    if (!w->recursive || w->root == NULL)
        return 0;
    w->generation++;
    w->root->generation = w->generation;
    w->moved = NULL;
    int fd = open_top(w);
    if (fd < 0)
        return !is_exhausted(errno) ? 0 : watch_failed(w, errno, f);
    int result = scan(w, w->root, fd, false, f);
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct node *n = w->buckets[i]; n != NULL; n = n->next)
            n->doomed = result == 0 && n->generation != w->generation;
    if (result == 0)
        drop_doomed(w);
    return result;
}

/* What the kernel's event is called; NULL: not reported. */
static const char *kind_of(uint32_t mask)
{
    switch (mask & (MASK | IN_DELETE_SELF | IN_MOVE_SELF)) {
    case IN_CREATE:
        return "create";
    case IN_MODIFY:
        return "modify";
    case IN_DELETE:
    case IN_DELETE_SELF:
        return "delete";
    case IN_MOVED_FROM:
    case IN_MOVE_SELF:
        return "move_from";
    case IN_MOVED_TO:
        return "move_to";
    case IN_ATTRIB:
        return "attrib";
    default:
        return NULL;
    }
}

/* Settles what became of a directory that left its place. True if this event is its arrival elsewhere in the tree. */
static bool settle_move(struct watcher *w, const struct inotify_event *e, struct node *n, const char *name)
{
    struct node *moved = w->moved;
    w->moved = NULL;
    if (moved == NULL)
        return false;
    bool arrived = (e->mask & IN_MOVED_TO) != 0 && e->cookie == w->moved_cookie && n != NULL && !is_below(n, moved);
    if (arrived && node_move(w, moved, n, name) != NULL)
        return true;
    drop_below(w, moved);
    return false;
}

/* The kernel has dropped the watch: the directory is gone. */
static void forget(struct watcher *w, struct node *n)
{
    if (n == w->root)
        w->root = NULL;
    drop_below(w, n);
}

/* Keeps the watched tree in step with a directory's coming and going. */
static int follow_dir(struct watcher *w, const struct inotify_event *e, struct node *n, const char *name,
                      struct failure *f)
{
    if (e->mask & (IN_CREATE | IN_MOVED_TO))
        return new_dir(w, n, name, f);
    if (e->mask & IN_MOVED_FROM) {
        w->moved = node_at(w, n, name);
        w->moved_cookie = e->cookie;
    }
    return 0;
}

static int handle(struct watcher *w, const struct inotify_event *e, struct failure *f)
{
    if (e->mask & IN_Q_OVERFLOW)
        return rescan(w, f);
    const char *name = e->len > 0 ? e->name : "";
    bool arrived = settle_move(w, e, node_find(w, e->wd), name);
    struct node *n = node_find(w, e->wd); /* settling may have dropped it */
    if (n == NULL)
        return 0;
    if (e->mask & IN_IGNORED) {
        forget(w, n);
        return 0;
    }
    const char *kind = kind_of(e->mask);
    /* News about a watched directory itself also comes from its parent, by name. */
    if (kind != NULL && (name[0] != 0 || n == w->root))
        report(w, n, name, kind, e->mask, e->cookie);
    if (!w->recursive || arrived || (e->mask & IN_ISDIR) == 0 || name[0] == 0)
        return 0;
    return follow_dir(w, e, n, name, f);
}

static int handle_all(struct watcher *w, const char *buf, size_t len, struct failure *f)
{
    for (size_t pos = 0; pos < len;) {
        const struct inotify_event *e = (const void *)(buf + pos);
        pos += sizeof *e + e->len;
        if (handle(w, e, f) != 0)
            return -1;
    }
    return 0;
}

int watcher_pump(struct watcher *w, struct failure *f)
{
    _Alignas(struct inotify_event) char buf[16384];
    struct failure own;
    f = f != NULL ? f : &own;
    *f = (struct failure){0};
    /* Bounded, so that a busy tree cannot keep the caller here; the fd stays readable. */
    for (int i = 0; i < READS_PER_PUMP; i++) {
        ssize_t n = read(w->inotify, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : watch_failed(w, errno, f);
        if (handle_all(w, buf, (size_t)n, f) != 0)
            return -1;
    }
    return 0;
}

/* --- open and close ---------------------------------------------------------------------------------------------- */

int watcher_fd(const struct watcher *w)
{
    return w->inotify;
}

/* Notes what `top` is and where, and watches it. */
static int start_at(struct watcher *w, int top, struct failure *f)
{
    char proc[40], place[PATH_MAX];
    struct stat st;
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", top);
    ssize_t n = readlink(proc, place, sizeof place - 1);
    if (n < 0 || fstat(top, &st) != 0)
        return watch_failed(w, errno, f);
    w->place = strndup(place, (size_t)n);
    w->dev = st.st_dev;
    w->ino = st.st_ino;
    w->recursive = w->recursive && S_ISDIR(st.st_mode);
    int wd = watch_fd(w, top, ROOT_MASK);
    if (wd < 0)
        return watch_failed(w, errno, f);
    w->root = node_new(w, NULL, "", wd);
    return w->root != NULL && w->place != NULL ? 0 : watch_failed(w, ENOMEM, f);
}

static int start(struct watcher *w, struct failure *f)
{
    w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->inotify < 0)
        return watch_failed(w, errno, f);
    int top = open(w->path, O_PATH | O_CLOEXEC);
    if (top < 0)
        return watch_failed(w, errno, f);
    int result = start_at(w, top, f);
    close(top);
    if (result != 0 || !w->recursive)
        return result;
    int fd = open_top(w);
    return fd < 0 ? watch_failed(w, errno, f) : scan(w, w->root, fd, false, f);
}

struct watcher *watcher_open(const char *path, bool recursive, struct failure *f)
{
    struct failure own;
    f = f != NULL ? f : &own;
    *f = (struct failure){0};
    struct watcher *w = calloc(1, sizeof *w);
    if (w == NULL || (w->path = strdup(path)) == NULL) {
        free(w);
        failure_errno(f, ENOMEM, "watch", path);
        return NULL;
    }
    w->inotify = -1;
    w->recursive = recursive;
    if (start(w, f) == 0)
        return w;
    watcher_close(w);
    return NULL;
}

void watcher_close(struct watcher *w)
{
    if (w == NULL)
        return;
    /* Closing the inotify fd removes its watches. */
    if (w->inotify >= 0)
        close(w->inotify);
    for (unsigned i = 0; i < BUCKETS; i++)
        while (w->buckets[i] != NULL) {
            struct node *n = w->buckets[i];
            w->buckets[i] = n->next;
            free(n);
        }
    while (w->waiting > 0) {
        free(w->queue[w->first].path);
        w->first = (w->first + 1) % WATCHER_MAX_EVENTS;
        w->waiting--;
    }
    free(w->given);
    free(w->path);
    free(w->place);
    free(w);
}
