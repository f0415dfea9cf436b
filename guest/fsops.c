#include "fsops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "beneath.h"
#include "walk.h"

#define NS_PER_S INT64_C(1000000000)
#define NOREPLACE 1u /* RENAME_NOREPLACE, missing in older libcs */

/* --- paths ------------------------------------------------------------------------------------------------------- */

/* A path cut into the directory and the last component, without trailing slashes. */
struct split {
    char *dir;
    char *base;
};

static void split_free(struct split *s)
{
    free(s->dir);
    free(s->base);
}

static const char *base_of(const char *path, size_t *len)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    *len = end - start;
    return path + start;
}

/* False when memory is short. The base of "/" is empty. */
static bool split_path(const char *path, struct split *s)
{
    size_t base_len;
    const char *base = base_of(path, &base_len);
    size_t dir_len = (size_t)(base - path);
    s->base = strndup(base, base_len);
    s->dir = dir_len ? strndup(path, dir_len) : strdup(".");
    if (s->base != NULL && s->dir != NULL)
        return true;
    split_free(s);
    return false;
}

static bool is_real_name(const char *base)
{
    return base[0] != 0 && strcmp(base, ".") != 0 && strcmp(base, "..") != 0;
}

/* --- stat -------------------------------------------------------------------------------------------------------- */

static const char *type_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "dir";
    case S_IFLNK:
        return "symlink";
    case S_IFIFO:
        return "fifo";
    case S_IFSOCK:
        return "socket";
    case S_IFCHR:
        return "char";
    case S_IFBLK:
        return "block";
    default:
        return "file";
    }
}

/* Times out of range (some filesystems invent them) are clamped instead of overflowing. */
static int64_t to_ns(const struct timespec *t)
{
    int64_t ns;
    if (__builtin_mul_overflow((int64_t)t->tv_sec, NS_PER_S, &ns) || __builtin_add_overflow(ns, t->tv_nsec, &ns))
        return t->tv_sec < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

static struct timespec from_ns(int64_t ns)
{
    struct timespec t = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
    if (t.tv_nsec < 0) {
        t.tv_nsec += NS_PER_S;
        t.tv_sec--;
    }
    return t;
}

void fs_entry_from_stat(struct fs_entry *out, const char *name, const struct stat *st)
{
    size_t len;
    const char *base = base_of(name, &len);
    if (len > NAME_MAX)
        len = NAME_MAX;
    memcpy(out->name, base, len);
    out->name[len] = 0;
    out->type = type_name(st->st_mode);
    out->mode = st->st_mode & 07777;
    out->uid = st->st_uid;
    out->gid = st->st_gid;
    out->size = (uint64_t)st->st_size;
    out->mtime_ns = to_ns(&st->st_mtim);
    out->ctime_ns = to_ns(&st->st_ctim);
    out->nlink = st->st_nlink;
    out->ino = st->st_ino;
    out->dev = st->st_dev;
    out->has_target = false;
    out->target[0] = 0;
}

/* 0 or -1 with errno; ENOENT when the entry is gone. */
static int entry_at(int dir, const char *path, bool follow, struct fs_entry *out)
{
    struct stat st;
    if (fstatat(dir, path, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    fs_entry_from_stat(out, path, &st);
    if (!S_ISLNK(st.st_mode))
        return 0;
    ssize_t n = readlinkat(dir, path, out->target, sizeof out->target - 1);
    if (n < 0) {
        if (errno == EINVAL) /* replaced by something else between the two calls */
            errno = ENOENT;
        return -1;
    }
    out->target[n] = 0;
    out->has_target = true;
    return 0;
}

int fs_entry_at(int dir, const char *name, struct fs_entry *out)
{
    return entry_at(dir, name, false, out);
}

int fs_stat(const char *path, bool follow, struct fs_entry *out, struct failure *f)
{
    return entry_at(AT_FDCWD, path, follow, out) == 0 ? 0 : failure_errno(f, errno, "look at", path);
}

int fs_stat_fd(int fd, const char *path, struct fs_entry *out, struct failure *f)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return failure_errno(f, errno, "look at", path);
    fs_entry_from_stat(out, path, &st);
    return 0;
}

static int check_regular(mode_t mode, const char *path, struct failure *f)
{
    if (S_ISREG(mode))
        return 0;
    if (S_ISDIR(mode))
        return failure_set(f, ST_IS_DIRECTORY, EISDIR, path, "is a directory");
    return failure_set(f, ST_UNSUPPORTED, 0, path, "is not a regular file");
}

int fs_read_open(const char *path, uint64_t offset, struct fs_entry *out, struct failure *f)
{
    struct stat st;
    /* Look first: opening a device can already do something. */
    if (stat(path, &st) != 0)
        return failure_errno(f, errno, "open", path);
    if (check_regular(st.st_mode, path, f) != 0)
        return -1;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return failure_errno(f, errno, "open", path);
    int bad = fstat(fd, &st) != 0 ? failure_errno(f, errno, "open", path) : check_regular(st.st_mode, path, f);
    if (!bad && (offset > INT64_MAX || lseek(fd, (off_t)offset, SEEK_SET) < 0))
        bad = failure_set(f, ST_BAD_REQUEST, EINVAL, path, "the offset is out of range");
    if (bad) {
        close(fd);
        return -1;
    }
    if (out != NULL)
        fs_entry_from_stat(out, path, &st);
    return fd;
}

/* --- list -------------------------------------------------------------------------------------------------------- */

struct fs_list {
    DIR *dir;
    char *path;
};

struct fs_list *fs_list_open(const char *path, struct failure *f)
{
    struct fs_list *list = calloc(1, sizeof *list);
    if (list != NULL && (list->path = strdup(path)) != NULL && (list->dir = opendir(path)) != NULL)
        return list;
    failure_errno(f, errno, "list", path);
    fs_list_close(list);
    return NULL;
}

int fs_list_next(struct fs_list *list, struct fs_entry *out, struct failure *f)
{
    for (;;) {
        errno = 0;
        const struct dirent *d = readdir(list->dir);
        if (d == NULL)
            return errno ? failure_errno(f, errno, "list", list->path) : 0;
        if (!is_real_name(d->d_name))
            continue;
        if (entry_at(dirfd(list->dir), d->d_name, false, out) == 0)
            return 1;
        if (errno != ENOENT)
            return failure_errno(f, errno, "look at", d->d_name);
    }
}

void fs_list_close(struct fs_list *list)
{
    if (list == NULL)
        return;
    if (list->dir != NULL)
        closedir(list->dir);
    free(list->path);
    free(list);
}

/* --- mkdir ------------------------------------------------------------------------------------------------------- */

/* The umask must not weaken or widen what was asked for. */
static int mkdir_exact(const char *path, mode_t mode)
{
    if (mkdir(path, mode & 0777) != 0)
        return -1;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int result = fd >= 0 ? fchmod(fd, mode) : chmod(path, mode); /* without the right to read: not root */
    int err = errno;
    if (fd >= 0)
        close(fd);
    errno = err;
    return result;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Makes every directory above the last component of `path`. */
static int make_parents(const char *path)
{
    size_t base_len;
    size_t dir_len = (size_t)(base_of(path, &base_len) - path);
    char *dir = strndup(path, dir_len);
    if (dir == NULL)
        return -1;
    int result = 0;
    for (size_t i = 1; i < dir_len && result == 0; i++) {
        if (dir[i] != '/' || dir[i - 1] == '/')
            continue;
        dir[i] = 0;
        /* A read-only parent filesystem answers EROFS even for what exists. */
        if (mkdir_exact(dir, 0755) != 0 && !is_directory(dir))
            result = -1;
        if (result != 0 && errno == EEXIST)
            errno = ENOTDIR;
        dir[i] = '/';
    }
    int err = errno;
    free(dir);
    errno = err;
    return result;
}

int fs_mkdir(const char *path, uint32_t mode, bool parents, struct failure *f)
{
    if (mkdir_exact(path, mode & 07777) == 0)
        return 0;
    if (parents && errno == ENOENT) {
        if (make_parents(path) != 0)
            return failure_errno(f, errno, "make the parents of", path);
        if (mkdir_exact(path, mode & 07777) == 0)
            return 0;
    }
    int err = errno;
    if (parents && is_directory(path))
        return 0;
    return failure_errno(f, err, "make directory", path);
}

/* --- move -------------------------------------------------------------------------------------------------------- */

static int rename_noreplace(int from_dir, const char *from, int to_dir, const char *to)
{
    if (syscall(SYS_renameat2, from_dir, from, to_dir, to, NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    /* A filesystem without RENAME_NOREPLACE; EINVAL also means "into itself", which link refuses as well. */
    struct stat st;
    if (fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    if (linkat(from_dir, from, to_dir, to, 0) != 0)
        return -1;
    return unlinkat(from_dir, from, 0);
}

int fs_move(const char *from, const char *to, bool replace, struct failure *f)
{
    int result = replace ? rename(from, to) : rename_noreplace(AT_FDCWD, from, AT_FDCWD, to);
    if (result == 0)
        return 0;
    int err = errno;
    struct stat st;
    /* rename() says ENOENT and EXDEV about either side; name the one that is to blame. */
    bool source_missing = err == ENOENT && lstat(from, &st) != 0;
    return failure_errno(f, err, source_missing ? "move" : "move to", source_missing ? from : to);
}

/* --- remove ------------------------------------------------------------------------------------------------------ */

/* How often a directory that was found refilled behind our back is emptied again, in total. */
#define REFILLS_MAX 100u
#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW)

struct fs_remover {
    char *path;
    struct split split;
    int parent; /* where `split.base` is */
    bool recursive, missing_ok;
    bool walking; /* inside the directory */
    bool done;
    unsigned refills;
    struct walk walk;
};

void fs_remover_close(struct fs_remover *r)
{
    if (r == NULL)
        return;
    if (r->walking)
        walk_close(&r->walk);
    if (r->parent >= 0)
        close(r->parent);
    split_free(&r->split);
    free(r->path);
    free(r);
}

/* Opens the directory that holds the path. A missing one is fine with `missing_ok`. */
static int remover_prepare(struct fs_remover *r, struct failure *f)
{
    if (!is_real_name(r->split.base))
        return failure_set(f, ST_BAD_REQUEST, EINVAL, r->path, "names a directory that cannot be removed");
    r->parent = open(r->split.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (r->parent >= 0)
        return 0;
    r->done = r->missing_ok && errno == ENOENT;
    return r->done ? 0 : failure_errno(f, errno, "remove", r->path);
}

struct fs_remover *fs_remover_open(const char *path, bool recursive, bool missing_ok, struct failure *f)
{
    struct fs_remover *r = calloc(1, sizeof *r);
    if (r != NULL) {
        r->parent = -1;
        r->recursive = recursive;
        r->missing_ok = missing_ok;
        r->path = strdup(path);
    }
    if (r == NULL || r->path == NULL || !split_path(path, &r->split)) {
        failure_errno(f, ENOMEM, "remove", path);
        fs_remover_close(r);
        return NULL;
    }
    if (remover_prepare(r, f) == 0)
        return r;
    fs_remover_close(r);
    return NULL;
}

/* The path of `name` in the current directory, for messages only. */
static int remove_failed(struct fs_remover *r, const char *name, int err, struct failure *f)
{
    char where[PATH_MAX];
    const char *sub = r->walking ? r->walk.path : "";
    snprintf(where, sizeof where, "%s%s%s%s%s", r->path, sub[0] ? "/" : "", sub, name[0] ? "/" : "", name);
    if (err == EXDEV)
        return failure_set(f, ST_IO, EXDEV, where, "another filesystem is mounted here");
    return failure_errno(f, err, "remove", where);
}

/* 1 = entered, 0 = it is gone, -1 = failed. */
static int remover_enter(struct fs_remover *r, const char *name, struct failure *f)
{
    int fd = beneath_open(walk_fd(&r->walk), name, strlen(name), OPEN_DIR, true);
    if (fd < 0)
        return errno == ENOENT ? 0 : remove_failed(r, name, errno, f);
    return walk_enter(&r->walk, name, fd) == 0 ? 1 : remove_failed(r, name, errno, f);
}

/* The first call on the path itself. */
static int remover_start(struct fs_remover *r, struct failure *f)
{
    const char *base = r->split.base;
    if (unlinkat(r->parent, base, 0) == 0 || (errno == ENOENT && r->missing_ok)) {
        r->done = true;
        return 0;
    }
    if (errno != EISDIR)
        return remove_failed(r, "", errno, f);
    if (!r->recursive) {
        r->done = unlinkat(r->parent, base, AT_REMOVEDIR) == 0;
        return r->done ? 0 : remove_failed(r, "", errno, f);
    }
    int fd = beneath_open(r->parent, base, strlen(base), OPEN_DIR, true);
    if (fd < 0 || walk_open(&r->walk, fd, SIZE_MAX / 4) != 0)
        return remove_failed(r, "", errno, f);
    r->walking = true;
    return 0;
}

static int remover_entry(struct fs_remover *r, const char *name, unsigned char type, struct failure *f)
{
    if (type != DT_DIR) {
        if (unlinkat(walk_fd(&r->walk), name, 0) == 0 || errno == ENOENT)
            return 0;
        if (errno != EISDIR)
            return remove_failed(r, name, errno, f);
    }
    return remover_enter(r, name, f) < 0 ? -1 : 0;
}

/* The top directory is empty. */
static int remover_last(struct fs_remover *r, struct failure *f)
{
    if (unlinkat(r->parent, r->split.base, AT_REMOVEDIR) == 0 || errno == ENOENT) {
        r->done = true;
        return 0;
    }
    if (errno != ENOTEMPTY || r->refills++ >= REFILLS_MAX)
        return remove_failed(r, "", errno, f);
    walk_rewind(&r->walk);
    return 0;
}

/* A directory is empty: go up and remove it. */
static int remover_up(struct fs_remover *r, struct failure *f)
{
    if (r->walk.depth == 1)
        return remover_last(r, f);
    char name[NAME_MAX + 1];
    size_t len;
    const char *base = base_of(r->walk.path, &len);
    memcpy(name, base, len);
    name[len] = 0;
    if (walk_leave(&r->walk) < 0)
        return remove_failed(r, "", errno, f);
    int parent = walk_fd(&r->walk);
    if (parent < 0 || unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    /* Somebody put something in, or the filesystem's listing skipped entries while others were removed. */
    if (errno == ENOTEMPTY && r->refills++ < REFILLS_MAX)
        return remover_enter(r, name, f) < 0 ? -1 : 0;
    return remove_failed(r, name, errno, f);
}

static int remover_one(struct fs_remover *r, struct failure *f)
{
    if (!r->walking)
        return remover_start(r, f);
    const char *name;
    unsigned char type;
    int more = walk_next(&r->walk, &name, &type);
    if (more < 0)
        return remove_failed(r, "", errno, f);
    return more ? remover_entry(r, name, type, f) : remover_up(r, f);
}

int fs_remover_step(struct fs_remover *r, unsigned budget, struct failure *f)
{
    for (unsigned i = 0; i < budget && !r->done; i++)
        if (remover_one(r, f) != 0)
            return -1;
    return !r->done;
}

int fs_remove(const char *path, bool recursive, bool missing_ok, struct failure *f)
{
    struct fs_remover *r = fs_remover_open(path, recursive, missing_ok, f);
    if (r == NULL)
        return -1;
    int more;
    do
        more = fs_remover_step(r, 4096, f);
    while (more > 0);
    fs_remover_close(r);
    return more;
}

/* --- atomic write ------------------------------------------------------------------------------------------------ */

#define TEMP_PREFIX ".banger-tmp-"
#define TEMP_TRIES 16
_Static_assert(sizeof TEMP_PREFIX + 16 == FS_TEMP_NAME, "the prefix and 16 hexadecimal digits");

struct fs_write {
    struct fs_write_options options;
    char *path;
    struct split split;
    char temp[FS_TEMP_NAME];
    int dir;
    int fd;
    uint64_t bytes;
};

static void write_free(struct fs_write *w)
{
    if (w->fd >= 0)
        close(w->fd);
    if (w->dir >= 0)
        close(w->dir);
    split_free(&w->split);
    free(w->path);
    free(w);
}

void fs_temp_name(char name[FS_TEMP_NAME], unsigned attempt)
{
    uint64_t random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) {
        /* Early in boot: the name need not be secret, O_EXCL does the rest. */
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        random = (uint64_t)to_ns(&now) * UINT64_C(0x9e3779b97f4a7c15) + attempt;
    }
    snprintf(name, FS_TEMP_NAME, TEMP_PREFIX "%016" PRIx64, random);
}

static int open_temp(struct fs_write *w)
{
    for (unsigned i = 0; i < TEMP_TRIES; i++) {
        fs_temp_name(w->temp, i);
        w->fd = openat(w->dir, w->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (w->fd >= 0 || errno != EEXIST)
            break;
    }
    return w->fd >= 0 ? 0 : -1;
}

static int open_target_dir(struct fs_write *w)
{
    w->dir = open(w->split.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->dir < 0 && errno == ENOENT && w->options.make_parents && make_parents(w->path) == 0)
        w->dir = open(w->split.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return w->dir >= 0 ? 0 : -1;
}

/* Finds out early what commit would refuse anyway, before the host sends gigabytes. */
static int check_target(const struct fs_write *w, struct failure *f)
{
    struct stat st;
    if (fstatat(w->dir, w->split.base, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    if (S_ISDIR(st.st_mode))
        return failure_set(f, ST_IS_DIRECTORY, EISDIR, w->path, "is a directory");
    if (w->options.exclusive)
        return failure_set(f, ST_EXISTS, EEXIST, w->path, "exists already");
    return 0;
}

static int write_prepare(struct fs_write *w, struct failure *f)
{
    size_t len = strlen(w->path);
    if (!is_real_name(w->split.base) || w->path[len - 1] == '/')
        return failure_set(f, ST_IS_DIRECTORY, EISDIR, w->path, "names a directory");
    if (open_target_dir(w) != 0)
        return failure_errno(f, errno, "write", w->path);
    if (check_target(w, f) != 0)
        return -1;
    return open_temp(w) == 0 ? 0 : failure_errno(f, errno, "write", w->path);
}

struct fs_write *fs_write_open(const char *path, const struct fs_write_options *options, struct failure *f)
{
    struct fs_write *w = calloc(1, sizeof *w);
    if (w != NULL) {
        w->fd = w->dir = -1;
        w->options = *options;
        w->path = strdup(path);
    }
    if (w == NULL || w->path == NULL || !split_path(path, &w->split)) {
        failure_errno(f, ENOMEM, "write", path);
        if (w != NULL)
            free(w->path);
        free(w);
        return NULL;
    }
    if (write_prepare(w, f) == 0)
        return w;
    write_free(w);
    return NULL;
}

int fs_write_data(struct fs_write *w, const void *data, size_t len, struct failure *f)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(w->fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failure_errno(f, errno, "write", w->path);
        p += n;
        len -= (size_t)n;
        w->bytes += (uint64_t)n;
    }
    return 0;
}

/* Owner first: chown clears set-uid bits. Time last: the others do not change it, writing does. */
static int write_attributes(const struct fs_write *w)
{
    const struct fs_write_options *o = &w->options;
    if ((o->has_uid || o->has_gid) &&
        fchown(w->fd, o->has_uid ? o->uid : (uid_t)-1, o->has_gid ? o->gid : (gid_t)-1) != 0)
        return -1;
    if (fchmod(w->fd, o->mode & 07777) != 0)
        return -1;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, from_ns(o->mtime_ns)};
    return o->has_mtime ? futimens(w->fd, times) : 0;
}

static int write_place(const struct fs_write *w)
{
    if (w->options.exclusive)
        return rename_noreplace(w->dir, w->temp, w->dir, w->split.base);
    return renameat(w->dir, w->temp, w->dir, w->split.base);
}

int fs_write_commit(struct fs_write *w, uint64_t *bytes, struct failure *f)
{
    int fd = w->fd;
    bool ready = write_attributes(w) == 0 && (w->options.no_sync || fsync(fd) == 0);
    /* close() reports what a network filesystem only notices now. */
    w->fd = -1;
    int err = errno;
    bool closed = close(fd) == 0;
    if (!ready)
        errno = err;
    if (!ready || !closed || write_place(w) != 0) {
        failure_errno(f, errno, "write", w->path);
        fs_write_abort(w);
        return -1;
    }
    int result = 0;
    if (!w->options.no_sync && fsync(w->dir) != 0 && errno != EINVAL) /* EINVAL: this filesystem has nothing to sync for directories */
        result = failure_errno(f, errno, "write the directory of", w->path);
    if (bytes != NULL)
        *bytes = w->bytes;
    write_free(w);
    return result;
}

void fs_write_abort(struct fs_write *w)
{
    if (w == NULL)
        return;
    unlinkat(w->dir, w->temp, 0);
    write_free(w);
}
