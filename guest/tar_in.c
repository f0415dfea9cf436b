#include "tar_in.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "beneath.h"
#include "settle.h"
#include "sparse.h"

#define BLOCK 512u
/* A file of at most so many bytes is there in one go, or removed when the stream breaks off: hiding it costs more than it gives. */
#define SHOWN_FROM_START (64u << 10)
#define ID_MAX UINT64_C(0xfffffffe) /* (uid_t)-1 means "leave it" to chown */

/* The ustar header, byte for byte. */
struct ustar {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[6];
    char version[2];
    char uname[32];
    char gname[32];
    char major[8];
    char minor[8];
    char prefix[155];
    char unused[12];
};
_Static_assert(sizeof(struct ustar) == BLOCK, "a tar header is one block");

/* What pax records say about the next member ('x') or all that follow ('g'). */
struct overrides {
    char *path;
    char *link;
    char *sparse_path;
    bool has_size, has_uid, has_gid, has_mtime, has_real_size;
    bool sparse_major, sparse_minor; /* GNU sparse format 1.0 */
    bool sparse_other;
    uint64_t size, uid, gid, real_size;
    struct timespec mtime;
};

/* The member at hand, with everything applied. */
struct member {
    char *name; /* normalized: no leading, doubled or trailing slashes, no `.`; "" = the destination itself */
    char *link; /* as it stands in the archive */
    const char *base;
    char type;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    uint64_t size; /* in the archive */
    bool sparse;
    uint64_t real_size; /* of a sparse file */
    struct timespec mtime;
    unsigned major, minor;
};

/* What is set on a directory once nothing is written into it any more. */
struct later_dir {
    char *path;
    size_t number; /* order in the archive */
    mode_t mode;
    uid_t uid;
    gid_t gid;
    struct timespec mtime;
};

struct later {
    struct later_dir *dirs;
    size_t count, room, bytes;
};

enum state { AT_HEADER, IN_META, IN_MAP, IN_FILE, IN_SKIP, AT_ONE_ZERO, AT_END };

struct tar_in {
    int root;
    struct tar_in_options options;
    bool is_root; /* may give files away */
    bool finished;
    struct failure failure;
    uint64_t bytes, entries;

    enum state state;
    uint8_t block[BLOCK];
    size_t block_len;

    char meta_type; /* x g L K */
    char *meta;     /* with room for a final NUL */
    size_t meta_len, meta_size;

    struct overrides global, local;
    char *gnu_path, *gnu_link;
    char *pax; /* the last extended header, kept for its xattrs */
    size_t pax_len;

    struct member member;
    struct settle place; /* of the member */
    int file;      /* being written, else -1 */
    uint64_t left; /* of the file, or bytes to skip */
    unsigned pad;  /* after the data */
    struct sparse_reader map; /* of a sparse file */
    size_t part;
    uint64_t part_left;

    int parent; /* directory of the last member, else -1 */
    char *parent_path;
    size_t parent_len;

    struct later later;
};

/* --- failures ---------------------------------------------------------------------------------------------------- */

/* The member's name as well as it is known. */
static const char *shown_name(const struct tar_in *t)
{
    return t->member.name != NULL ? (t->member.name[0] ? t->member.name : ".") : NULL;
}

static int invalid(struct tar_in *t, const char *name, const char *text)
{
    return failure_set(&t->failure, ST_INVALID_ARCHIVE, 0, name, text);
}

/* Something about a header whose member has no name yet. */
static int invalid_at(struct tar_in *t, const char *text)
{
    char full[160];
    snprintf(full, sizeof full, "header before byte %" PRIu64 ": %s", t->bytes, text);
    return invalid(t, NULL, full);
}

static int member_failed(struct tar_in *t, int err)
{
    const char *name = shown_name(t);
    char text[128];
    switch (err) {
    case ENOSPC:
    case EDQUOT:
        snprintf(text, sizeof text, "no space left after %" PRIu64 " entries", t->entries);
        return failure_set(&t->failure, ST_NO_SPACE, err, name, text);
    case ELOOP:
        return failure_set(&t->failure, ST_INVALID_ARCHIVE, err, name, "lies below a symbolic link");
    case EXDEV:
        return failure_set(&t->failure, ST_INVALID_ARCHIVE, err, name, "leaves the destination");
    case EISDIR:
        return failure_set(&t->failure, ST_IS_DIRECTORY, err, name, "a directory is in the way");
    case ENOTDIR:
        return failure_set(&t->failure, ST_NOT_DIRECTORY, err, name, "something that is no directory is in the way");
    default:
        return failure_errno(&t->failure, err, "write", name ? name : "");
    }
}

static int errno_failed(struct tar_in *t)
{
    return member_failed(t, errno);
}

/* --- numbers ----------------------------------------------------------------------------------------------------- */

/* GNU's base-256: the first bit is a mark, the rest a two's complement number. */
static bool parse_base256(const uint8_t *p, size_t width, int64_t *out)
{
    bool negative = p[0] == 0xff;
    uint64_t value = negative ? UINT64_MAX : p[0] & 0x7f;
    if (!negative && p[0] != 0x80 && width > 8)
        return false;
    for (size_t i = 1; i < width; i++) {
        uint64_t top = value >> 55; /* the sign and everything the shift would lose */
        if (top != (negative ? 0x1ff : 0))
            return false;
        value = value << 8 | p[i];
    }
    *out = negative ? -(int64_t)~value - 1 : (int64_t)value;
    return true;
}

/* An octal or base-256 field; blank is 0. False when it is neither. */
static bool parse_number(const char *field, size_t width, int64_t *out)
{
    const uint8_t *p = (const uint8_t *)field;
    if (p[0] & 0x80)
        return parse_base256(p, width, out);
    size_t i = 0;
    while (i < width && p[i] == ' ')
        i++;
    uint64_t value = 0; /* 12 octal digits have 36 bits */
    for (; i < width && p[i] >= '0' && p[i] <= '7'; i++)
        value = value << 3 | (unsigned)(p[i] - '0');
    *out = (int64_t)value;
    return i == width || p[i] == ' ' || p[i] == 0;
}

/* A decimal number without sign, at most `max`. */
static bool parse_decimal(const char *s, size_t len, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (len == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(s[i] - '0');
        if (s[i] < '0' || s[i] > '9' || digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

/* Seconds, maybe negative, maybe with a fraction (digits below nanoseconds are dropped). */
static bool parse_time(const char *s, size_t len, struct timespec *out)
{
    bool negative = len > 0 && s[0] == '-';
    s += negative;
    len -= negative;
    const char *dot = memchr(s, '.', len);
    size_t whole_len = dot != NULL ? (size_t)(dot - s) : len;
    uint64_t seconds;
    if (!parse_decimal(s, whole_len, INT64_MAX / 2, &seconds))
        return false;
    long ns = 0, unit = 100000000;
    for (size_t i = whole_len + 1; i < len; i++, unit /= 10) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        ns += (s[i] - '0') * unit;
    }
    int64_t sec = negative ? -(int64_t)seconds : (int64_t)seconds;
    if (negative && ns > 0) {
        sec--;
        ns = 1000000000L - ns;
    }
    *out = (struct timespec){.tv_sec = sec, .tv_nsec = ns};
    return true;
}

/* --- pax records ------------------------------------------------------------------------------------------------- */

struct record {
    const char *key;
    size_t key_len;
    const char *value;
    size_t value_len;
};

/* Takes the record at *pos. 1 = there is one, 0 = end, -1 = malformed. */
static int next_record(const char *data, size_t len, size_t *pos, struct record *r)
{
    const char *start = data + *pos;
    size_t rest = len - *pos;
    if (rest == 0)
        return 0;
    const char *space = memchr(start, ' ', rest);
    uint64_t total;
    if (space == NULL || !parse_decimal(start, (size_t)(space - start), rest, &total))
        return -1;
    size_t head = (size_t)(space - start) + 1;
    if (total < head + 2 || start[total - 1] != '\n')
        return -1;
    size_t body = (size_t)total - head - 1;
    const char *equals = memchr(space + 1, '=', body);
    if (equals == NULL || equals == space + 1)
        return -1;
    r->key = space + 1;
    r->key_len = (size_t)(equals - r->key);
    r->value = equals + 1;
    r->value_len = body - r->key_len - 1;
    *pos += (size_t)total;
    return 1;
}

static bool key_is(const struct record *r, const char *key)
{
    return r->key_len == strlen(key) && memcmp(r->key, key, r->key_len) == 0;
}

static bool key_starts(const struct record *r, const char *prefix)
{
    size_t n = strlen(prefix);
    return r->key_len > n && memcmp(r->key, prefix, n) == 0;
}

/* Replaces *slot; an empty value takes an earlier override back. False for a NUL inside (or no memory). */
static bool set_text(char **slot, const struct record *r)
{
    free(*slot);
    *slot = NULL;
    if (r->value_len == 0)
        return true;
    if (memchr(r->value, 0, r->value_len) != NULL)
        return false;
    *slot = strndup(r->value, r->value_len);
    return *slot != NULL;
}

static bool set_number(bool *has, uint64_t *slot, const struct record *r, uint64_t max)
{
    *has = r->value_len > 0;
    return r->value_len == 0 || parse_decimal(r->value, r->value_len, max, slot);
}

static bool value_is(const struct record *r, const char *value)
{
    return r->value_len == strlen(value) && memcmp(r->value, value, r->value_len) == 0;
}

static bool apply_sparse(struct overrides *o, const struct record *r)
{
    if (key_is(r, "GNU.sparse.name"))
        return set_text(&o->sparse_path, r);
    if (key_is(r, "GNU.sparse.realsize"))
        return set_number(&o->has_real_size, &o->real_size, r, INT64_MAX - BLOCK);
    if (key_is(r, "GNU.sparse.major"))
        o->sparse_major = value_is(r, "1");
    else if (key_is(r, "GNU.sparse.minor"))
        o->sparse_minor = value_is(r, "0");
    else
        o->sparse_other = true; /* a key of the older formats */
    return true;
}

static bool apply_record(struct overrides *o, const struct record *r)
{
    if (key_is(r, "path"))
        return set_text(&o->path, r);
    if (key_is(r, "linkpath"))
        return set_text(&o->link, r);
    if (key_is(r, "size"))
        return set_number(&o->has_size, &o->size, r, INT64_MAX - BLOCK);
    if (key_is(r, "uid"))
        return set_number(&o->has_uid, &o->uid, r, ID_MAX);
    if (key_is(r, "gid"))
        return set_number(&o->has_gid, &o->gid, r, ID_MAX);
    if (key_is(r, "mtime")) {
        o->has_mtime = r->value_len > 0;
        return r->value_len == 0 || parse_time(r->value, r->value_len, &o->mtime);
    }
    if (key_starts(r, "GNU.sparse."))
        return apply_sparse(o, r);
    return true; /* unknown keys may be ignored */
}

static void overrides_clear(struct overrides *o)
{
    free(o->path);
    free(o->link);
    free(o->sparse_path);
    *o = (struct overrides){0};
}

static int take_pax(struct tar_in *t, struct overrides *o)
{
    struct record r;
    size_t pos = 0;
    int more;
    while ((more = next_record(t->meta, t->meta_size, &pos, &r)) > 0) {
        char key[40];
        if (apply_record(o, &r))
            continue;
        snprintf(key, sizeof key, "%.*s", (int)(r.key_len < 30 ? r.key_len : 30), r.key);
        return failure_set(&t->failure, ST_INVALID_ARCHIVE, 0, key, "this pax record has an impossible value");
    }
    return more < 0 ? invalid_at(t, "malformed pax record") : 0;
}

/* A GNU long name: text up to a NUL. */
static int take_long(struct tar_in *t, char **slot)
{
    t->meta[t->meta_size] = 0;
    free(*slot);
    *slot = strdup(t->meta);
    return *slot != NULL ? 0 : member_failed(t, ENOMEM);
}

/* The extended header is complete. */
static int take_meta(struct tar_in *t)
{
    t->state = AT_HEADER;
    switch (t->meta_type) {
    case 'L':
        return take_long(t, &t->gnu_path);
    case 'K':
        return take_long(t, &t->gnu_link);
    case 'g':
        return take_pax(t, &t->global);
    default:
        /* A second one in a row replaces the first, so that memory stays bounded. */
        overrides_clear(&t->local);
        free(t->pax);
        t->pax = t->meta;
        t->pax_len = t->meta_size;
        int result = take_pax(t, &t->local);
        t->meta = NULL;
        return result;
    }
}

/* --- names ------------------------------------------------------------------------------------------------------- */

/* Shortens `path` in place: no doubled or trailing slashes, no `.`. Says why it may not be used, or NULL. */
static const char *normalize(char *path)
{
    if (path[0] == 0)
        return "has an empty name";
    if (path[0] == '/')
        return "is an absolute name";
    char *to = path;
    for (const char *from = path; *from != 0;) {
        size_t n = strcspn(from, "/");
        if (n == 2 && from[0] == '.' && from[1] == '.')
            return "contains `..`";
        if (n > 0 && !(n == 1 && from[0] == '.')) {
            if (to != path)
                *to++ = '/';
            memmove(to, from, n);
            to += n;
        }
        from += n;
        from += strspn(from, "/");
    }
    *to = 0;
    return NULL;
}

static size_t parent_length(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash != NULL ? (size_t)(slash - name) : 0;
}

static bool is_ustar(const struct ustar *h)
{
    return memcmp(h->magic, "ustar", 6) == 0; /* GNU writes "ustar " and uses the prefix for other things */
}

static char *header_name(const struct ustar *h)
{
    char *name = malloc(sizeof h->prefix + 1 + sizeof h->name + 1);
    if (name == NULL)
        return NULL;
    size_t prefix = is_ustar(h) ? strnlen(h->prefix, sizeof h->prefix) : 0;
    size_t rest = strnlen(h->name, sizeof h->name);
    memcpy(name, h->prefix, prefix);
    if (prefix > 0)
        name[prefix++] = '/';
    memcpy(name + prefix, h->name, rest);
    name[prefix + rest] = 0;
    return name;
}

static char *first_text(const char *a, const char *b, const char *c)
{
    const char *s = a != NULL ? a : b != NULL ? b : c;
    return s != NULL ? strdup(s) : NULL;
}

/* --- parent directories ------------------------------------------------------------------------------------------ */

static void parent_forget(struct tar_in *t)
{
    if (t->parent >= 0)
        close(t->parent);
    t->parent = -1;
    free(t->parent_path);
    t->parent_path = NULL;
    t->parent_len = 0;
}

/* Opens one directory below `at`, making it if it is missing. */
static int descend(int at, const char *name, size_t len)
{
    char one[NAME_MAX + 1];
    if (len > NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(one, name, len);
    one[len] = 0;
    if (mkdirat(at, one, 0755) != 0 && errno != EEXIST)
        return -1;
    return beneath_open(at, one, len, O_PATH | O_DIRECTORY, false);
}

/* Walks down from `at`, making what is missing. */
static int make_path(int at, const char *path, size_t len)
{
    int fd = fcntl(at, F_DUPFD_CLOEXEC, 0);
    for (size_t pos = 0; fd >= 0 && pos < len;) {
        const char *slash = memchr(path + pos, '/', len - pos);
        size_t n = slash != NULL ? (size_t)(slash - path) - pos : len - pos;
        int next = descend(fd, path + pos, n);
        int err = errno;
        close(fd);
        errno = err;
        fd = next;
        pos += n + 1;
    }
    return fd;
}

static int open_or_make(int at, const char *path, size_t len)
{
    int fd = beneath_open(at, path, len, O_PATH | O_DIRECTORY, false);
    return fd < 0 && errno == ENOENT ? make_path(at, path, len) : fd;
}

/* True if `path` lies strictly below the cached parent. */
static bool below_parent(const struct tar_in *t, const char *path, size_t len)
{
    return t->parent >= 0 && t->parent_len > 0 && len > t->parent_len && path[t->parent_len] == '/' &&
           memcmp(path, t->parent_path, t->parent_len) == 0;
}

static int parent_set(struct tar_in *t, const char *path, size_t len, int fd)
{
    char *copy = strndup(path, len);
    parent_forget(t);
    if (copy == NULL) {
        close(fd);
        errno = ENOMEM;
        return -1;
    }
    t->parent = fd;
    t->parent_path = copy;
    t->parent_len = len;
    return 0;
}

/*
 * Makes t->parent the directory of the member. Nothing in the archive can turn a cached directory into something
 * else, because directories are never replaced; so what was beneath the destination stays there.
 */
static int enter_parent(struct tar_in *t)
{
    const char *name = t->member.name;
    size_t len = parent_length(name);
    t->member.base = len ? name + len + 1 : name;
    if (t->parent >= 0 && len == t->parent_len && memcmp(name, t->parent_path, len) == 0)
        return 0;
    bool below = below_parent(t, name, len);
    size_t skip = below ? t->parent_len + 1 : 0;
    int fd = open_or_make(below ? t->parent : t->root, name + skip, len - skip);
    return fd < 0 ? -1 : parent_set(t, name, len, fd);
}

/* --- directories that are finished later ------------------------------------------------------------------------- */

/* Owner before mode: chown clears set-uid bits. Time last. */
static int set_attributes(const struct tar_in *t, int fd, const struct later_dir *d)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, d->mtime};
    if ((t->options.keep_owner || t->is_root) && fchown(fd, d->uid, d->gid) != 0)
        return -1;
    return fchmod(fd, d->mode) != 0 || futimens(fd, times) != 0 ? -1 : 0;
}

static int finish_dir(const struct tar_in *t, const struct later_dir *d)
{
    int fd = beneath_open(t->root, d->path, strlen(d->path), O_RDONLY | O_DIRECTORY, false);
    if (fd < 0) /* somebody else removed or replaced it meanwhile */
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -1;
    int result = set_attributes(t, fd, d);
    int err = errno;
    close(fd);
    errno = err;
    return result;
}

static struct later_dir later_from(const struct member *m, char *path)
{
    return (struct later_dir){.path = path, .mode = m->mode, .uid = m->uid, .gid = m->gid, .mtime = m->mtime};
}

static bool later_has_room(struct later *l, size_t name_len)
{
    if (l->count >= TAR_IN_MAX_DIRS || l->bytes + name_len > TAR_IN_MAX_DIR_BYTES)
        return false;
    if (l->count < l->room)
        return true;
    size_t room = l->room ? l->room * 2 : 64;
    struct later_dir *dirs = realloc(l->dirs, room * sizeof *dirs);
    if (dirs == NULL)
        return false;
    l->dirs = dirs;
    l->room = room;
    return true;
}

/* Remembers the member's mode and time; sets them at once when the list is full. */
static int later_add(struct tar_in *t)
{
    size_t len = strlen(t->member.name);
    char *copy = later_has_room(&t->later, len) ? strdup(t->member.name) : NULL;
    if (copy == NULL) {
        struct later_dir now = later_from(&t->member, t->member.name);
        return finish_dir(t, &now);
    }
    struct later_dir d = later_from(&t->member, copy);
    d.number = t->later.count;
    t->later.dirs[t->later.count++] = d;
    t->later.bytes += len;
    return 0;
}

/* Children before their parents (which may become unreachable); the same directory in the archive's order. */
static int compare_later(const void *a, const void *b)
{
    const struct later_dir *x = a, *y = b;
    int order = strcmp(y->path, x->path);
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

/* Sets what was put off. With `t` failed, as well as it goes. */
static int later_apply(struct tar_in *t)
{
    struct later *l = &t->later;
    bool failed = t->failure.status != ST_OK;
    int result = 0;
    if (l->count > 0)
        qsort(l->dirs, l->count, sizeof *l->dirs, compare_later);
    for (size_t i = 0; i < l->count; i++) {
        if (result == 0 && finish_dir(t, &l->dirs[i]) != 0 && !failed)
            result = failure_errno(&t->failure, errno, "set mode and time of", l->dirs[i].path);
        free(l->dirs[i].path);
    }
    free(l->dirs);
    *l = (struct later){0};
    return result;
}

/* --- writing members --------------------------------------------------------------------------------------------- */

/* Only these are restored: they mean the same on every system and need no security policy. */
static bool wants_xattr(const struct tar_in *t, const char *name)
{
    if (strncmp(name, "user.", 5) == 0)
        return true;
    return t->options.keep_owner && strcmp(name, "security.capability") == 0;
}

static int set_xattr(const struct tar_in *t, int fd, const struct record *r)
{
    char name[256];
    const size_t prefix = strlen("SCHILY.xattr.");
    size_t len = r->key_len - prefix;
    if (len >= sizeof name)
        return 0;
    memcpy(name, r->key + prefix, len);
    name[len] = 0;
    if (!wants_xattr(t, name) || fsetxattr(fd, name, r->value, r->value_len, 0) == 0)
        return 0;
    /* A filesystem or user without xattrs is no reason to refuse the archive. */
    return errno == ENOSPC || errno == EDQUOT ? -1 : 0;
}

static int set_xattrs(const struct tar_in *t, int fd)
{
    struct record r;
    size_t pos = 0;
    while (t->pax != NULL && next_record(t->pax, t->pax_len, &pos, &r) > 0)
        if (key_starts(&r, "SCHILY.xattr.") && set_xattr(t, fd, &r) != 0)
            return -1;
    return 0;
}

static int make_symlink(void *ctx, int dir, const char *name)
{
    const struct member *m = ctx;
    return symlinkat(m->link, dir, name);
}

static int make_node(void *ctx, int dir, const char *name)
{
    const struct member *m = ctx;
    mode_t kind = m->type == '3' ? S_IFCHR : m->type == '4' ? S_IFBLK : S_IFIFO;
    return mknodat(dir, name, kind | 0600, kind == S_IFIFO ? 0 : makedev(m->major, m->minor));
}

static int set_owner_and_time(struct tar_in *t)
{
    const struct member *m = &t->member;
    const char *name = settle_name(&t->place);
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, m->mtime};
    if ((t->options.keep_owner || t->is_root) && fchownat(t->parent, name, m->uid, m->gid, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    return utimensat(t->parent, name, times, AT_SYMLINK_NOFOLLOW);
}

/* chmod for what must not be opened; through /proc, because fchmodat would follow a symlink put there meanwhile. */
static int set_node_mode(struct tar_in *t)
{
    char proc[40];
    struct stat st;
    int fd = openat(t->parent, settle_name(&t->place), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    int result = fstat(fd, &st);
    if (result == 0 && !S_ISLNK(st.st_mode))
        result = chmod(proc, t->member.mode);
    int err = errno;
    close(fd);
    errno = err;
    return result;
}

/* What was made is as it should be, or is removed. */
static int settle_entry(struct tar_in *t, bool ready)
{
    if (!ready) {
        int err = errno;
        settle_drop(&t->place);
        return member_failed(t, err);
    }
    if (settle_done(&t->place, -1) != 0)
        return errno_failed(t);
    t->entries++;
    return 0;
}

static int write_node(struct tar_in *t)
{
    if (settle_make(&t->place, make_node, &t->member) < 0)
        return errno_failed(t);
    return settle_entry(t, set_owner_and_time(t) == 0 && set_node_mode(t) == 0);
}

static int write_symlink(struct tar_in *t)
{
    if (t->member.link == NULL || t->member.link[0] == 0)
        return invalid(t, shown_name(t), "is a symbolic link without a target");
    if (settle_make(&t->place, make_symlink, &t->member) < 0)
        return errno_failed(t);
    return settle_entry(t, set_owner_and_time(t) == 0);
}

static bool same_file(int dir_a, const char *a, int dir_b, const char *b)
{
    struct stat x, y;
    return fstatat(dir_a, a, &x, AT_SYMLINK_NOFOLLOW) == 0 && fstatat(dir_b, b, &y, AT_SYMLINK_NOFOLLOW) == 0 &&
           x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

struct link_target {
    int dir;
    const char *name;
};

static int make_link(void *ctx, int dir, const char *name)
{
    const struct link_target *target = ctx;
    return linkat(target->dir, target->name, dir, name, 0);
}

/* Links the member to its target. A link to itself is there already; renaming one over itself would leave both. */
static int place_link(struct tar_in *t, struct link_target target)
{
    if (same_file(target.dir, target.name, t->parent, t->member.base))
        return 0;
    return settle_make(&t->place, make_link, &target) < 0 ? -1 : settle_done(&t->place, -1);
}

/* The same name twice, a missing target and so on: said about the link, with the member's name. */
static int link_failed(struct tar_in *t, int err)
{
    if (err == ENOENT)
        return failure_set(&t->failure, ST_INVALID_ARCHIVE, err, shown_name(t), "is a hard link to a missing file");
    if (err == ELOOP || err == EXDEV)
        return failure_set(&t->failure, ST_INVALID_ARCHIVE, err, shown_name(t), "is a hard link that leaves");
    return member_failed(t, err);
}

static int write_hard_link(struct tar_in *t)
{
    char *target = t->member.link;
    const char *bad = target != NULL ? normalize(target) : "";
    if (bad != NULL || target[0] == 0)
        return invalid(t, shown_name(t), "is a hard link that leaves the destination");
    size_t len = parent_length(target);
    int dir = beneath_open(t->root, target, len, O_PATH | O_DIRECTORY, false);
    if (dir < 0)
        return link_failed(t, errno);
    int result = place_link(t, (struct link_target){dir, len ? target + len + 1 : target});
    int err = errno;
    close(dir);
    if (result != 0)
        return link_failed(t, err);
    t->entries++;
    return 0;
}

/* xattrs of a directory are set at once: they do not get in anybody's way. */
static int set_dir_xattrs(struct tar_in *t)
{
    if (t->pax == NULL || memmem(t->pax, t->pax_len, "SCHILY.xattr.", 13) == NULL)
        return 0;
    int fd = beneath_open(t->parent, t->member.base, strlen(t->member.base), O_RDONLY | O_DIRECTORY, false);
    if (fd < 0)
        return -1;
    int result = set_xattrs(t, fd);
    int err = errno;
    close(fd);
    errno = err;
    return result;
}

static int write_dir(struct tar_in *t)
{
    struct stat st;
    if (t->member.name[0] == 0) { /* the destination itself */
        t->entries++;
        return 0;
    }
    /* Usable until the end, whatever its mode will be. */
    if (mkdirat(t->parent, t->member.base, (t->member.mode & 0777) | 0700) != 0) {
        if (errno != EEXIST || fstatat(t->parent, t->member.base, &st, AT_SYMLINK_NOFOLLOW) != 0)
            return errno_failed(t);
        if (!S_ISDIR(st.st_mode))
            return member_failed(t, ENOTDIR);
    }
    if (set_dir_xattrs(t) != 0 || later_add(t) != 0)
        return errno_failed(t);
    t->entries++;
    return 0;
}

/* Owner first (chown clears set-uid bits and capabilities), time last (the others do not change it). */
static int file_attributes(struct tar_in *t)
{
    const struct member *m = &t->member;
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, m->mtime};
    if ((t->options.keep_owner || t->is_root) && fchown(t->file, m->uid, m->gid) != 0)
        return -1;
    if (set_xattrs(t, t->file) != 0 || fchmod(t->file, m->mode) != 0)
        return -1;
    return futimens(t->file, times);
}

/* Removes a file that could not be completed. */
static void drop_file(struct tar_in *t)
{
    if (t->file < 0)
        return;
    close(t->file);
    t->file = -1;
    settle_drop(&t->place);
}

static int complete_file(struct tar_in *t)
{
    if ((t->member.sparse && ftruncate(t->file, (off_t)t->member.real_size) != 0) || file_attributes(t) != 0) {
        int err = errno;
        drop_file(t);
        return member_failed(t, err);
    }
    int fd = t->file;
    int settled = settle_done(&t->place, fd);
    int err = errno;
    t->file = -1;
    bool closed = close(fd) == 0;
    if (settled != 0 || !closed)
        return member_failed(t, settled != 0 ? err : errno);
    t->entries++;
    return 0;
}

static int begin_file(struct tar_in *t)
{
    int fd = settle_file(&t->place, t->member.size > SHOWN_FROM_START || t->member.sparse);
    if (fd < 0)
        return errno_failed(t);
    t->file = fd;
    t->left = t->member.size;
    t->pad = (unsigned)((BLOCK - t->member.size % BLOCK) % BLOCK);
    if (t->left == 0)
        return complete_file(t);
    sparse_free(&t->map.map);
    t->map = (struct sparse_reader){0};
    t->state = t->member.sparse ? IN_MAP : IN_FILE;
    return 0;
}

/* --- headers ----------------------------------------------------------------------------------------------------- */

static void member_clear(struct tar_in *t)
{
    free(t->member.name);
    free(t->member.link);
    t->member = (struct member){0};
}

/* What was said about one member only ends with it. */
static void overrides_used(struct tar_in *t)
{
    overrides_clear(&t->local);
    free(t->gnu_path);
    free(t->gnu_link);
    free(t->pax);
    t->gnu_path = t->gnu_link = t->pax = NULL;
    t->pax_len = 0;
}

/* Old writers added the bytes as signed numbers. */
static bool checksum_ok(const struct ustar *h)
{
    const uint8_t *p = (const uint8_t *)h;
    int64_t said, plain = 0, with_sign = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        bool blank = i >= offsetof(struct ustar, checksum) && i < offsetof(struct ustar, type);
        plain += blank ? ' ' : p[i];
        with_sign += blank ? ' ' : (int8_t)p[i];
    }
    return parse_number(h->checksum, sizeof h->checksum, &said) && (said == plain || said == with_sign);
}

static int begin_meta(struct tar_in *t, const struct ustar *h, uint64_t size)
{
    if (size > TAR_IN_MAX_META)
        return invalid_at(t, "an extended header is larger than 1 MiB");
    if (size == 0 && (h->type == 'L' || h->type == 'K'))
        return invalid_at(t, "a long name is empty");
    free(t->meta);
    t->meta = malloc((size_t)size + 1);
    if (t->meta == NULL)
        return member_failed(t, ENOMEM);
    t->meta_type = h->type == 'X' ? 'x' : h->type;
    t->meta_size = (size_t)size;
    t->meta_len = 0;
    t->left = size;
    t->pad = (unsigned)((BLOCK - size % BLOCK) % BLOCK);
    t->state = IN_META;
    return size == 0 ? take_meta(t) : 0;
}

static uint64_t pick(bool has_local, uint64_t local, bool has_global, uint64_t global, uint64_t header)
{
    return has_local ? local : has_global ? global : header;
}

struct numbers {
    int64_t mode, uid, gid, size, mtime, major, minor;
};

static bool read_numbers(const struct ustar *h, struct numbers *n)
{
    return parse_number(h->mode, sizeof h->mode, &n->mode) && parse_number(h->uid, sizeof h->uid, &n->uid) &&
           parse_number(h->gid, sizeof h->gid, &n->gid) && parse_number(h->size, sizeof h->size, &n->size) &&
           parse_number(h->mtime, sizeof h->mtime, &n->mtime);
}

/* The owner, or who runs this when owners are not kept. */
static int member_owner(struct tar_in *t, const struct numbers *n)
{
    const struct overrides *l = &t->local, *g = &t->global;
    uint64_t uid = pick(l->has_uid, l->uid, g->has_uid, g->uid, (uint64_t)n->uid);
    uint64_t gid = pick(l->has_gid, l->gid, g->has_gid, g->gid, (uint64_t)n->gid);
    if (!t->options.keep_owner) {
        t->member.uid = geteuid();
        t->member.gid = getegid();
        t->member.mode &= (mode_t)~(S_ISUID | S_ISGID);
        return 0;
    }
    if (uid > ID_MAX || gid > ID_MAX)
        return invalid(t, shown_name(t), "has an impossible owner");
    t->member.uid = (uid_t)uid;
    t->member.gid = (gid_t)gid;
    return 0;
}

static int member_numbers(struct tar_in *t, const struct ustar *h, const struct numbers *n)
{
    const struct overrides *l = &t->local, *g = &t->global;
    struct member *m = &t->member;
    uint64_t size = pick(l->has_size, l->size, g->has_size, g->size, (uint64_t)n->size);
    if (size > INT64_MAX - BLOCK)
        return invalid(t, shown_name(t), "has an impossible size");
    m->size = size;
    m->mode = (mode_t)(n->mode & 07777);
    m->mtime = l->has_mtime ? l->mtime : g->has_mtime ? g->mtime : (struct timespec){.tv_sec = n->mtime};
    if (m->type == '3' || m->type == '4') {
        int64_t major_number, minor_number;
        bool ok = parse_number(h->major, sizeof h->major, &major_number) &&
                  parse_number(h->minor, sizeof h->minor, &minor_number);
        if (!ok || major_number < 0 || minor_number < 0 || major_number > 0xfff || minor_number > 0xfffff)
            return invalid(t, shown_name(t), "has impossible device numbers");
        m->major = (unsigned)major_number;
        m->minor = (unsigned)minor_number;
    }
    return member_owner(t, n);
}

/* Name, link and type of the member. */
static int member_names(struct tar_in *t, const struct ustar *h)
{
    struct member *m = &t->member;
    char *own = header_name(h);
    char link[sizeof h->link + 1];
    memcpy(link, h->link, sizeof h->link);
    link[sizeof h->link] = 0;
    const char *path = t->local.sparse_path != NULL ? t->local.sparse_path : t->local.path;
    m->name = first_text(path, t->gnu_path, t->global.path ? t->global.path : own);
    m->link = first_text(t->local.link, t->gnu_link, t->global.link ? t->global.link : link);
    free(own);
    if (m->name == NULL || m->link == NULL)
        return member_failed(t, ENOMEM);
    size_t len = strlen(m->name);
    bool slash = len > 0 && m->name[len - 1] == '/';
    m->type = h->type == 0 || h->type == '7' ? '0' : h->type;
    if (m->type == '0' && slash) /* how archives before ustar say directory */
        m->type = '5';
    char *whole = strdup(m->name); /* normalizing stops in the middle when it finds something */
    const char *bad = normalize(m->name);
    int result = bad != NULL ? invalid(t, whole != NULL ? whole : "", bad) : 0;
    free(whole);
    return result;
}

static int write_member(struct tar_in *t)
{
    char type = t->member.type;
    if (t->member.name[0] == 0 && type != '5')
        return invalid(t, ".", "the destination itself must be a directory");
    if ((type == '3' || type == '4') && t->options.skip_devices)
        return 0;
    if (enter_parent(t) != 0)
        return errno_failed(t);
    t->place = (struct settle){.dir = t->parent, .name = t->member.base};
    switch (type) {
    case '0':
        return begin_file(t);
    case '1':
        return write_hard_link(t);
    case '2':
        return write_symlink(t);
    case '5':
        return write_dir(t);
    default:
        return write_node(t);
    }
}

static bool says_sparse(const struct overrides *o)
{
    return o->sparse_path != NULL || o->has_real_size || o->sparse_major || o->sparse_minor || o->sparse_other;
}

/* Sparse files of format 1.0 only. */
static int member_sparse(struct tar_in *t)
{
    const struct overrides *l = &t->local;
    struct member *m = &t->member;
    if (!says_sparse(l) && !says_sparse(&t->global))
        return 0;
    bool known = l->has_real_size && l->sparse_major && l->sparse_minor && !l->sparse_other;
    if (!known || says_sparse(&t->global) || m->type != '0')
        return failure_set(&t->failure, ST_UNSUPPORTED, 0, shown_name(t), "is a sparse file of an unknown format");
    if (m->size < BLOCK)
        return invalid(t, shown_name(t), "has a malformed sparse map");
    m->sparse = true;
    m->real_size = l->real_size;
    return 0;
}

static int begin_member(struct tar_in *t, const struct ustar *h, const struct numbers *n)
{
    member_clear(t);
    if (member_names(t, h) != 0 || member_numbers(t, h, n) != 0)
        return -1;
    if (member_sparse(t) != 0)
        return -1;
    return write_member(t);
}

/* A GNU volume label or directory listing: nothing to write, but there may be data. */
static int skip_member(struct tar_in *t, uint64_t size)
{
    t->left = size;
    t->pad = (unsigned)((BLOCK - size % BLOCK) % BLOCK);
    t->state = size > 0 ? IN_SKIP : AT_HEADER;
    overrides_used(t);
    return 0;
}

static int unknown_type(struct tar_in *t, char type)
{
    char text[64];
    if (type == 'S' || type == 'M')
        return failure_set(&t->failure, ST_UNSUPPORTED, 0, NULL, "GNU sparse and multi-volume members are unsupported");
    snprintf(text, sizeof text, "unknown member type 0x%02x", (unsigned char)type);
    return invalid_at(t, text);
}

static int take_header(struct tar_in *t, const struct ustar *h)
{
    struct numbers n;
    if (!checksum_ok(h))
        return invalid_at(t, "wrong checksum, this is no tar archive or it is damaged");
    if (!read_numbers(h, &n) || n.size < 0 || (uint64_t)n.size > INT64_MAX - BLOCK)
        return invalid_at(t, "impossible number");
    switch (h->type) {
    case 'x':
    case 'X':
    case 'g':
    case 'L':
    case 'K':
        return begin_meta(t, h, (uint64_t)n.size);
    case 'V':
    case 'D':
        return skip_member(t, (uint64_t)n.size);
    case 0:
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
        break;
    default:
        return unknown_type(t, h->type);
    }
    int result = begin_member(t, h, &n);
    if (result == 0 && t->state != IN_FILE && t->state != IN_MAP) /* a file's xattrs are needed when it is complete */
        overrides_used(t);
    return result;
}

static bool is_zero(const uint8_t *block)
{
    return block[0] == 0 && memcmp(block, block + 1, BLOCK - 1) == 0;
}

static int bad_map(struct tar_in *t)
{
    drop_file(t);
    return invalid(t, shown_name(t), "has a malformed sparse map");
}

/* A block of the map that stands before the data of a sparse file. */
static int take_map(struct tar_in *t, const uint8_t *block)
{
    int complete = t->left >= BLOCK ? sparse_read(&t->map, block) : -1;
    if (complete < 0)
        return bad_map(t);
    t->left -= BLOCK;
    if (complete == 0)
        return 0;
    if (!sparse_valid(&t->map.map, t->member.real_size, t->left))
        return bad_map(t);
    t->part = 0;
    t->part_left = 0;
    t->state = IN_FILE;
    if (t->left > 0)
        return 0;
    t->state = AT_HEADER;
    int result = complete_file(t);
    overrides_used(t);
    return result;
}

static int take_block(struct tar_in *t, const uint8_t *block)
{
    if (t->state == IN_MAP)
        return take_map(t, block);
    if (is_zero(block)) {
        t->state = t->state == AT_ONE_ZERO ? AT_END : AT_ONE_ZERO;
        return 0;
    }
    if (t->state == AT_ONE_ZERO)
        return invalid_at(t, "data behind the first of the two end blocks");
    struct ustar h;
    memcpy(&h, block, sizeof h);
    return take_header(t, &h);
}

/* --- pushing ----------------------------------------------------------------------------------------------------- */

static size_t smaller(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

/* Each of these takes some of the bytes; SIZE_MAX = failed. */

static size_t push_block(struct tar_in *t, const uint8_t *buf, size_t len)
{
    if (t->block_len == 0 && len >= BLOCK) {
        t->bytes += BLOCK;
        return take_block(t, buf) == 0 ? BLOCK : SIZE_MAX;
    }
    size_t n = smaller(BLOCK - t->block_len, len);
    memcpy(t->block + t->block_len, buf, n);
    t->block_len += n;
    t->bytes += n;
    if (t->block_len < BLOCK)
        return n;
    t->block_len = 0;
    return take_block(t, t->block) == 0 ? n : SIZE_MAX;
}

/* Goes to the next part that has bytes; there is one as long as any are left. */
static int next_part(struct tar_in *t)
{
    while (t->map.map.parts[t->part].size == 0)
        t->part++;
    const struct sparse_part *p = &t->map.map.parts[t->part++];
    t->part_left = p->size;
    return lseek(t->file, (off_t)p->offset, SEEK_SET) >= 0 ? 0 : -1;
}

static ssize_t write_data(struct tar_in *t, const uint8_t *buf, size_t len)
{
    if (!t->member.sparse)
        return write(t->file, buf, len);
    if (t->part_left == 0 && next_part(t) != 0)
        return -1;
    ssize_t n = write(t->file, buf, smaller(t->part_left, len));
    if (n > 0)
        t->part_left -= (uint64_t)n;
    return n;
}

static size_t push_file(struct tar_in *t, const uint8_t *buf, size_t len)
{
    ssize_t n;
    do
        n = write_data(t, buf, smaller(t->left, len));
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        errno_failed(t);
        drop_file(t);
        return SIZE_MAX;
    }
    t->left -= (uint64_t)n;
    t->bytes += (uint64_t)n;
    return t->left > 0 || complete_file(t) == 0 ? (size_t)n : SIZE_MAX;
}

static size_t push_meta(struct tar_in *t, const uint8_t *buf, size_t len)
{
    size_t n = smaller(t->left, len);
    memcpy(t->meta + t->meta_len, buf, n);
    t->meta_len += n;
    t->left -= n;
    t->bytes += n;
    return n;
}

static size_t push_padding(struct tar_in *t, size_t len)
{
    size_t n = smaller(t->pad, len);
    t->pad -= (unsigned)n;
    t->bytes += n;
    return n;
}

/* Data and padding are through. */
static int end_data(struct tar_in *t)
{
    if (t->state == IN_META)
        return take_meta(t);
    if (t->state == IN_FILE)
        overrides_used(t);
    t->state = AT_HEADER;
    return 0;
}

static size_t push_some(struct tar_in *t, const uint8_t *buf, size_t len)
{
    size_t n;
    if (t->state == AT_END) {
        t->bytes += len;
        return len;
    }
    if (t->state == AT_HEADER || t->state == AT_ONE_ZERO || t->state == IN_MAP)
        return push_block(t, buf, len);
    if (t->left == 0)
        n = push_padding(t, len);
    else if (t->state == IN_FILE)
        n = push_file(t, buf, len);
    else if (t->state == IN_META)
        n = push_meta(t, buf, len);
    else {
        n = smaller(t->left, len);
        t->left -= n;
        t->bytes += n;
    }
    if (n != SIZE_MAX && t->left == 0 && t->pad == 0 && end_data(t) != 0)
        return SIZE_MAX;
    return n;
}

int tar_in_push(struct tar_in *t, const uint8_t *buf, size_t len)
{
    if (t->failure.status != ST_OK)
        return -1;
    while (len > 0) {
        size_t n = push_some(t, buf, len);
        if (n == SIZE_MAX)
            return -1;
        buf += n;
        len -= n;
    }
    return 0;
}

int tar_in_finish(struct tar_in *t)
{
    if (t->failure.status != ST_OK)
        return -1;
    if (t->finished)
        return 0;
    if (t->state == IN_FILE || t->state == IN_MAP) {
        drop_file(t);
        return invalid(t, shown_name(t), "the archive ends inside this member");
    }
    if (t->block_len > 0 || (t->state != AT_END && t->state != AT_ONE_ZERO))
        return invalid(t, shown_name(t), "the archive ends too early, after this member");
    t->finished = true;
    return later_apply(t);
}

/* --- open and close ---------------------------------------------------------------------------------------------- */

struct tar_in *tar_in_open(const char *path, const struct tar_in_options *options, struct failure *f)
{
    struct tar_in *t = calloc(1, sizeof *t);
    if (t == NULL) {
        failure_errno(f, ENOMEM, "open", path);
        return NULL;
    }
    t->file = t->parent = -1;
    t->options = *options;
    t->is_root = geteuid() == 0;
    t->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (t->root >= 0)
        return t;
    failure_errno(f, errno, "open", path);
    free(t);
    return NULL;
}

const struct failure *tar_in_failure(const struct tar_in *t)
{
    return &t->failure;
}

uint64_t tar_in_content_left(const struct tar_in *t)
{
    return t->state == IN_FILE && t->failure.status == ST_OK ? t->left : 0;
}

uint64_t tar_in_bytes(const struct tar_in *t)
{
    return t->bytes;
}

uint64_t tar_in_entries(const struct tar_in *t)
{
    return t->entries;
}

void tar_in_close(struct tar_in *t)
{
    if (t == NULL)
        return;
    drop_file(t);
    if (!t->finished && t->failure.status == ST_OK)
        t->failure.status = ST_IO; /* nobody asks any more: set what can be set */
    later_apply(t);
    member_clear(t);
    overrides_used(t);
    overrides_clear(&t->global);
    free(t->meta);
    sparse_free(&t->map.map);
    parent_forget(t);
    close(t->root);
    free(t);
}
