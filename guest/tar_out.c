#include "tar_out.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sparse.h"
#include "walk.h"

#define BLOCK 512u
#define OCTAL_11_MAX UINT64_C(077777777777) /* what fits into size and mtime */
#define OCTAL_7_MAX 07777777u               /* what fits into uid and gid */
#define READ_AHEAD_FROM (4u << 20)

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

/* A growing string of bytes. */
struct bytes {
    char *data;
    size_t len, room;
};

/* First names of the files that have several, by device and inode (open addressing). */
struct link_slot {
    dev_t dev;
    ino_t ino;
    size_t name; /* offset into `names` plus one; 0 = free slot */
};

struct links {
    struct link_slot *slots;
    size_t count, room;
    struct bytes names;
};

struct tar_out {
    struct walk walk;
    bool walking;
    bool one_file_system;
    dev_t top_dev;
    char *path; /* where the top is, for messages */
    char *name; /* what it is called in the archive */
    bool finished; /* the end blocks are in `pending` */

    struct bytes pending; /* headers not handed out yet */
    size_t pending_pos;
    struct bytes member; /* name of the current member */
    int file;            /* its data, -1 = none (zeros are sent for what is left) */
    uint64_t left;
    unsigned pad;
    struct sparse_map map; /* of a file with holes; empty for any other */
    size_t part;
    uint64_t part_left;

    struct links links;
    uint64_t bytes, entries;
};

/* --- byte strings ------------------------------------------------------------------------------------------------ */

static int bytes_reserve(struct bytes *b, size_t more)
{
    if (b->room - b->len >= more)
        return 0;
    size_t room = (b->len + more) * 2;
    char *data = realloc(b->data, room);
    if (data == NULL)
        return -1;
    b->data = data;
    b->room = room;
    return 0;
}

static int bytes_add(struct bytes *b, const void *data, size_t len)
{
    if (bytes_reserve(b, len) != 0)
        return -1;
    memcpy(b->data + b->len, data, len);
    b->len += len;
    return 0;
}

/* --- hard links -------------------------------------------------------------------------------------------------- */

static size_t link_hash(dev_t dev, ino_t ino)
{
    uint64_t h = ((uint64_t)ino ^ ((uint64_t)dev << 32)) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 20);
}

static struct link_slot *link_find(const struct links *l, dev_t dev, ino_t ino)
{
    size_t i = link_hash(dev, ino) & (l->room - 1);
    while (l->slots[i].name != 0 && (l->slots[i].dev != dev || l->slots[i].ino != ino))
        i = (i + 1) & (l->room - 1);
    return &l->slots[i];
}

static int links_grow(struct links *l)
{
    struct links bigger = {.room = l->room ? l->room * 2 : 256};
    bigger.slots = calloc(bigger.room, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return -1;
    for (size_t i = 0; i < l->room; i++)
        if (l->slots[i].name != 0)
            *link_find(&bigger, l->slots[i].dev, l->slots[i].ino) = l->slots[i];
    free(l->slots);
    l->slots = bigger.slots;
    l->room = bigger.room;
    return 0;
}

/* The name under which this file is in the archive already, else NULL. */
static const char *links_known(const struct links *l, const struct stat *st)
{
    if (l->room == 0)
        return NULL;
    const struct link_slot *slot = link_find(l, st->st_dev, st->st_ino);
    return slot->name ? l->names.data + slot->name - 1 : NULL;
}

/* Remembers a name; silently not when the table is full: then the file is simply stored twice. */
static void links_add(struct links *l, const struct stat *st, const struct bytes *name)
{
    if (l->count >= TAR_OUT_MAX_LINKS || l->names.len + name->len + 1 > TAR_OUT_MAX_LINK_BYTES)
        return;
    if (l->count * 2 >= l->room && links_grow(l) != 0)
        return;
    size_t at = l->names.len;
    if (bytes_add(&l->names, name->data, name->len) != 0 || bytes_add(&l->names, "", 1) != 0) {
        l->names.len = at;
        return;
    }
    *link_find(l, st->st_dev, st->st_ino) = (struct link_slot){st->st_dev, st->st_ino, at + 1};
    l->count++;
}

/* --- headers ----------------------------------------------------------------------------------------------------- */

struct member {
    const char *name;
    size_t name_len;
    const char *link;
    size_t link_len;
    const struct stat *st;
    char type;
    uint64_t size;            /* of the file */
    const char *map;          /* in front of the data of a file with holes, else NULL */
    size_t map_len;
    uint64_t stored;          /* bytes in the archive, the map counted */
};

static void put_octal(char *field, size_t width, uint64_t value)
{
    field[--width] = 0;
    while (width-- > 0) {
        field[width] = (char)('0' + (value & 7));
        value >>= 3;
    }
}

static void put_checksum(struct ustar *h)
{
    memset(h->checksum, ' ', sizeof h->checksum);
    unsigned sum = 0;
    for (size_t i = 0; i < BLOCK; i++)
        sum += ((const unsigned char *)h)[i];
    put_octal(h->checksum, 7, sum);
}

static bool is_ascii(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] >= 0x80)
            return false;
    return true;
}

/* Well-formed UTF-8 in the wide sense: enough to decide whether a reader may take the name as text. */
static bool is_utf8(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; i < len;) {
        size_t n = s[i] < 0x80 ? 0 : s[i] >= 0xc2 && s[i] < 0xe0 ? 1 : (s[i] & 0xf0) == 0xe0 ? 2 : 3;
        if (s[i] >= 0xf5 || (s[i] >= 0x80 && s[i] < 0xc2) || i + n >= len)
            return false;
        unsigned first = n > 0 ? s[i + 1] : 0;
        if ((s[i] == 0xe0 && first < 0xa0) || (s[i] == 0xed && first > 0x9f) || (s[i] == 0xf0 && first < 0x90) ||
            (s[i] == 0xf4 && first > 0x8f))
            return false;
        for (size_t k = 1; k <= n; k++)
            if ((s[i + k] & 0xc0) != 0x80)
                return false;
        i += n + 1;
    }
    return true;
}

/* Puts the name into name and prefix; false when it needs a pax record. */
static bool put_name(struct ustar *h, const char *name, size_t len)
{
    if (!is_ascii(name, len))
        return false;
    if (len <= sizeof h->name) {
        memcpy(h->name, name, len);
        return true;
    }
    if (len > sizeof h->name + 1 + sizeof h->prefix)
        return false;
    /* The first slash that leaves a short enough rest; it must not be the last byte (a directory's). */
    size_t cut = len - sizeof h->name - 1;
    while (cut < len && name[cut] != '/')
        cut++;
    if (cut + 1 >= len || cut == 0 || cut > sizeof h->prefix)
        return false;
    memcpy(h->prefix, name, cut);
    memcpy(h->name, name + cut + 1, len - cut - 1);
    return true;
}

/* A stand-in for readers without pax: the end of the name, in ASCII. */
static void put_short_name(char *field, size_t width, const char *name, size_t len)
{
    size_t skip = len > width ? len - width : 0;
    for (size_t i = 0; i < len - skip; i++)
        field[i] = (unsigned char)name[skip + i] < 0x80 ? name[skip + i] : '_';
}

/* Adds "<length> <key>=<value>\n", where the length counts itself. */
static int add_record(struct bytes *b, const char *key, const char *value, size_t len)
{
    size_t body = strlen(key) + len + 3; /* space, equals sign, newline */
    size_t digits = 1;
    for (size_t limit = 10; body + digits >= limit; limit *= 10)
        digits++;
    char start[64];
    int n = snprintf(start, sizeof start, "%zu %s=", body + digits, key);
    return bytes_add(b, start, (size_t)n) != 0 || bytes_add(b, value, len) != 0 || bytes_add(b, "\n", 1) != 0 ? -1 : 0;
}

static int add_number(struct bytes *b, const char *key, uint64_t value)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%" PRIu64, value);
    return add_record(b, key, text, (size_t)n);
}

/* Seconds with a fraction; before 1970 the fraction counts towards zero. */
static int add_time(struct bytes *b, const struct timespec *t)
{
    char text[48];
    int64_t s = t->tv_sec;
    long ns = t->tv_nsec;
    bool negative = s < 0;
    if (negative && ns > 0) {
        s++;
        ns = 1000000000L - ns;
    }
    uint64_t whole = negative ? 0 - (uint64_t)s : (uint64_t)s;
    int n = snprintf(text, sizeof text, "%s%" PRIu64 ".%09ld", negative ? "-" : "", whole, ns);
    while (text[n - 1] == '0')
        n--;
    if (text[n - 1] == '.')
        n--;
    return add_record(b, "mtime", text, (size_t)n);
}

static void put_common(struct ustar *h, char type, mode_t mode)
{
    h->type = type;
    put_octal(h->mode, sizeof h->mode, mode & 07777);
    memcpy(h->magic, "ustar", 6);
    memcpy(h->version, "00", 2);
    put_octal(h->major, sizeof h->major, 0);
    put_octal(h->minor, sizeof h->minor, 0);
}

static int add_sparse(struct bytes *pax, const struct member *m)
{
    return add_record(pax, "GNU.sparse.major", "1", 1) | add_record(pax, "GNU.sparse.minor", "0", 1) |
           add_record(pax, "GNU.sparse.name", m->name, m->name_len) | add_number(pax, "GNU.sparse.realsize", m->size);
}

/* Fills the ustar header and adds to `pax` what does not fit into it. */
static int build_header(struct ustar *h, const struct member *m, struct bytes *pax)
{
    const struct stat *st = m->st;
    int bad = 0;
    put_common(h, m->type, st->st_mode);
    if (!is_utf8(m->name, m->name_len) || !is_utf8(m->link, m->link_len))
        bad |= add_record(pax, "hdrcharset", "BINARY", 6);
    if (!put_name(h, m->name, m->name_len)) {
        put_short_name(h->name, sizeof h->name, m->name, m->name_len);
        bad |= add_record(pax, "path", m->name, m->name_len);
    }
    if (m->link_len > sizeof h->link || !is_ascii(m->link, m->link_len))
        bad |= add_record(pax, "linkpath", m->link, m->link_len);
    put_short_name(h->link, sizeof h->link, m->link, m->link_len);
    if (m->map != NULL)
        bad |= add_sparse(pax, m);
    if (m->stored > OCTAL_11_MAX)
        bad |= add_number(pax, "size", m->stored);
    put_octal(h->size, sizeof h->size, m->stored);
    if (st->st_uid > OCTAL_7_MAX)
        bad |= add_number(pax, "uid", st->st_uid);
    put_octal(h->uid, sizeof h->uid, st->st_uid);
    if (st->st_gid > OCTAL_7_MAX)
        bad |= add_number(pax, "gid", st->st_gid);
    put_octal(h->gid, sizeof h->gid, st->st_gid);
    bool plain = st->st_mtim.tv_nsec == 0 && st->st_mtim.tv_sec >= 0 && (uint64_t)st->st_mtim.tv_sec <= OCTAL_11_MAX;
    if (!plain)
        bad |= add_time(pax, &st->st_mtim);
    put_octal(h->mtime, sizeof h->mtime, st->st_mtim.tv_sec >= 0 ? (uint64_t)st->st_mtim.tv_sec : 0);
    if (m->type == '3' || m->type == '4') {
        put_octal(h->major, sizeof h->major, major(st->st_rdev));
        put_octal(h->minor, sizeof h->minor, minor(st->st_rdev));
    }
    put_checksum(h);
    return bad;
}

static int add_padding(struct bytes *b)
{
    static const char zeros[BLOCK];
    size_t over = b->len % BLOCK;
    return over ? bytes_add(b, zeros, BLOCK - over) : 0;
}

/* Puts the extended header with `pax` in front of the member's own. */
static int add_extended(struct tar_out *t, const struct ustar *own, const struct bytes *pax)
{
    struct ustar h = {0};
    put_common(&h, 'x', 0644);
    snprintf(h.name, sizeof h.name, "PaxHeaders/%.80s", own->name[0] ? own->name : "x");
    put_octal(h.size, sizeof h.size, pax->len);
    put_octal(h.uid, sizeof h.uid, 0);
    put_octal(h.gid, sizeof h.gid, 0);
    memcpy(h.mtime, own->mtime, sizeof h.mtime);
    put_checksum(&h);
    if (bytes_add(&t->pending, &h, BLOCK) != 0 || bytes_add(&t->pending, pax->data, pax->len) != 0)
        return -1;
    return add_padding(&t->pending);
}

static int add_member(struct tar_out *t, const struct member *m)
{
    struct ustar h = {0};
    struct bytes pax = {0};
    t->pending.len = t->pending_pos = 0;
    int bad = build_header(&h, m, &pax);
    if (!bad && pax.len > 0)
        bad = add_extended(t, &h, &pax);
    if (!bad)
        bad = bytes_add(&t->pending, &h, BLOCK);
    if (!bad && m->map != NULL)
        bad = bytes_add(&t->pending, m->map, m->map_len);
    free(pax.data);
    t->entries++;
    return bad;
}

static int add_end(struct tar_out *t)
{
    static const char zeros[2 * BLOCK];
    t->pending.len = t->pending_pos = 0;
    t->finished = true;
    return bytes_add(&t->pending, zeros, sizeof zeros);
}

/* --- entries ----------------------------------------------------------------------------------------------------- */

/* The current member's path, for messages. */
static int out_failed(struct tar_out *t, int err, struct failure *f)
{
    if (err == ENAMETOOLONG)
        return failure_set(f, ST_TOO_LARGE, err, t->member.data, "the path is too long");
    return failure_errno(f, err, "read", t->member.len ? t->member.data : t->path);
}

/* Sets the member's name: the top's name, the directory of the walk, `name`; with a slash behind a directory's. */
static int set_member(struct tar_out *t, const char *name, bool directory)
{
    struct bytes *m = &t->member;
    const char *dir = t->walking ? t->walk.path : "";
    m->len = 0;
    int bad = bytes_add(m, t->name, strlen(t->name));
    if (dir[0] != 0)
        bad |= bytes_add(m, "/", 1) | bytes_add(m, dir, strlen(dir));
    if (name[0] != 0)
        bad |= bytes_add(m, "/", 1) | bytes_add(m, name, strlen(name));
    if (directory && (m->len == 0 || m->data[m->len - 1] != '/'))
        bad |= bytes_add(m, "/", 1);
    bad |= bytes_reserve(m, 1);
    if (bad)
        return -1;
    m->data[m->len] = 0;
    return 0;
}

static int emit(struct tar_out *t, char type, const struct stat *st, const char *link, uint64_t size)
{
    struct member m = {t->member.data, t->member.len, link, strlen(link), st, type, size, NULL, 0, size};
    return add_member(t, &m);
}

/* A file whose map was found. */
static int emit_sparse(struct tar_out *t, const struct stat *st, uint64_t size)
{
    size_t map_len;
    char *map = sparse_text(&t->map, &map_len);
    if (map == NULL)
        return -1;
    struct member m = {t->member.data, t->member.len, "", 0, st, '0', size, map, map_len, map_len + t->left};
    int result = add_member(t, &m);
    free(map);
    return result;
}

/* 1 = written as a link to a name that is in the archive, 0 = not (and remembered), -1 = no memory. */
static int emit_hard_link(struct tar_out *t, const struct stat *st)
{
    if (st->st_nlink < 2 || S_ISDIR(st->st_mode))
        return 0;
    const char *known = links_known(&t->links, st);
    if (known != NULL)
        return emit(t, '1', st, known, 0) == 0 ? 1 : -1;
    links_add(&t->links, st, &t->member);
    return 0;
}

/* Errors that mean: somebody removed or replaced the entry since its name was read. */
static bool is_vanished(int err)
{
    return err == ENOENT || err == ENOTDIR || err == ELOOP || err == ESTALE;
}

/* The target of a symlink into `target` (PATH_MAX bytes). 1 = there, 0 = vanished, -1 = failed. */
static int read_target(int dir, const char *name, char *target)
{
    ssize_t n = readlinkat(dir, name, target, PATH_MAX - 1);
    if (n < 0)
        return errno == ENOENT || errno == EINVAL ? 0 : -1;
    target[n] = 0;
    return 1;
}

static char special_type(mode_t mode)
{
    if (S_ISLNK(mode))
        return '2';
    return S_ISCHR(mode) ? '3' : S_ISBLK(mode) ? '4' : '6';
}

/* Everything that is neither a regular file nor a directory; sockets are left out. */
static int emit_special(struct tar_out *t, int dir, const char *name, const struct stat *st)
{
    char target[PATH_MAX] = "";
    if (S_ISSOCK(st->st_mode))
        return 0;
    /* First the target, which may be gone: only what is in the archive may be remembered as a link's first name. */
    int there = S_ISLNK(st->st_mode) ? read_target(dir, name, target) : 1;
    if (there <= 0)
        return there;
    int linked = emit_hard_link(t, st);
    if (linked != 0)
        return linked < 0 ? -1 : 0;
    return emit(t, special_type(st->st_mode), st, target, 0);
}

/* Fills the map of the file at hand. False, with the map empty and the file at its start, when it is stored whole. */
static bool find_holes(struct tar_out *t, const struct stat *st, uint64_t size)
{
    sparse_free(&t->map);
    if (!sparse_worth(st))
        return false;
    if (sparse_find(&t->map, t->file, size) == 0 && sparse_stored(&t->map) < size)
        return true;
    sparse_free(&t->map);
    lseek(t->file, 0, SEEK_SET);
    return false;
}

/* Takes over `fd`. */
static int emit_file(struct tar_out *t, int fd, const struct stat *st)
{
    int linked = emit_hard_link(t, st);
    uint64_t size = st->st_size > 0 ? (uint64_t)st->st_size : 0;
    if (linked != 0 || size == 0) {
        close(fd);
        return linked != 0 ? (linked < 0 ? -1 : 0) : emit(t, '0', st, "", 0);
    }
    if (size > READ_AHEAD_FROM)
        posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    t->file = fd;
    t->left = size;
    t->pad = (unsigned)((BLOCK - size % BLOCK) % BLOCK);
    if (!find_holes(t, st, size))
        return emit(t, '0', st, "", size);
    t->left = sparse_stored(&t->map);
    t->pad = (unsigned)((BLOCK - t->left % BLOCK) % BLOCK);
    t->part = 0;
    t->part_left = 0;
    return emit_sparse(t, st, size);
}

/* Takes over `fd`. */
static int emit_dir(struct tar_out *t, int fd, const char *name, const struct stat *st)
{
    if (set_member(t, name, true) != 0 || emit(t, '5', st, "", 0) != 0) {
        close(fd);
        return -1;
    }
    if (t->one_file_system && st->st_dev != t->top_dev) {
        close(fd);
        return 0;
    }
    return walk_enter(&t->walk, name, fd);
}

static int open_entry(int dir, const char *name, bool directory)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC;
    return openat(dir, name, flags | (directory ? O_DIRECTORY : O_NONBLOCK | O_NOCTTY));
}

/* A file or directory: its header describes what was opened, so a file replaced at the wrong moment stays whole. */
static int visit_open(struct tar_out *t, int dir, const char *name, bool directory)
{
    struct stat st;
    int fd = open_entry(dir, name, directory);
    if (fd < 0)
        return is_vanished(errno) || errno == ENXIO ? 0 : -1;
    if (fstat(fd, &st) != 0) {
        close(fd);
        return -1;
    }
    if (S_ISDIR(st.st_mode))
        return emit_dir(t, fd, name, &st);
    if (S_ISREG(st.st_mode))
        return emit_file(t, fd, &st);
    close(fd); /* replaced by a fifo or device: it will be found the next time */
    return 0;
}

static int visit(struct tar_out *t, int dir, const char *name, unsigned char type)
{
    struct stat st;
    if (set_member(t, name, false) != 0)
        return -1;
    if (t->member.len > TAR_OUT_MAX_PATH) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (type == DT_REG || type == DT_DIR)
        return visit_open(t, dir, name, type == DT_DIR);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return is_vanished(errno) ? 0 : -1;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
        return visit_open(t, dir, name, S_ISDIR(st.st_mode));
    return emit_special(t, dir, name, &st);
}

/* One step of the walk. It may produce nothing (a vanished entry, the end of a directory). */
static int step(struct tar_out *t)
{
    const char *name;
    unsigned char type;
    if (!t->walking)
        return add_end(t);
    int more = walk_next(&t->walk, &name, &type);
    if (more > 0)
        return visit(t, walk_fd(&t->walk), name, type);
    if (more < 0)
        return -1;
    int up = walk_leave(&t->walk);
    return up < 0 ? -1 : up ? 0 : add_end(t);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static void file_done(struct tar_out *t)
{
    if (t->file >= 0)
        close(t->file);
    t->file = -1;
}

/* Goes to the next part that has bytes; there is one as long as any are left. */
static int next_part(struct tar_out *t)
{
    while (t->map.parts[t->part].size == 0)
        t->part++;
    const struct sparse_part *p = &t->map.parts[t->part++];
    t->part_left = p->size;
    return t->file < 0 || lseek(t->file, (off_t)p->offset, SEEK_SET) >= 0 ? 0 : -1;
}

static ssize_t give_data(struct tar_out *t, uint8_t *buf, size_t cap)
{
    size_t n = t->left < cap ? (size_t)t->left : cap;
    if (t->map.count > 0) {
        if (t->part_left == 0 && next_part(t) != 0)
            return -1;
        n = t->part_left < n ? (size_t)t->part_left : n;
    }
    if (t->file >= 0) {
        ssize_t got;
        do
            got = read(t->file, buf, n);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return -1;
        if (got == 0)
            file_done(t); /* it shrank: zeros from here on */
        else
            n = (size_t)got;
    }
    if (t->file < 0)
        memset(buf, 0, n);
    t->left -= n;
    t->part_left -= t->map.count > 0 ? n : 0;
    if (t->left == 0)
        file_done(t);
    return (ssize_t)n;
}

/* Some bytes; 0 = a step that made none. */
static ssize_t give(struct tar_out *t, uint8_t *buf, size_t cap)
{
    if (t->pending_pos < t->pending.len) {
        size_t n = t->pending.len - t->pending_pos;
        n = n < cap ? n : cap;
        memcpy(buf, t->pending.data + t->pending_pos, n);
        t->pending_pos += n;
        return (ssize_t)n;
    }
    if (t->left > 0)
        return give_data(t, buf, cap);
    if (t->pad > 0) {
        size_t n = t->pad < cap ? t->pad : cap;
        memset(buf, 0, n);
        t->pad -= (unsigned)n;
        return (ssize_t)n;
    }
    return step(t) == 0 ? 0 : -1;
}

static bool is_complete(const struct tar_out *t)
{
    return t->finished && t->pending_pos == t->pending.len;
}

ssize_t tar_out_read(struct tar_out *t, uint8_t *buf, size_t cap, struct failure *f)
{
    size_t used = 0;
    while (used < cap && !is_complete(t)) {
        ssize_t n = give(t, buf + used, cap - used);
        if (n < 0)
            return out_failed(t, errno, f);
        used += (size_t)n;
    }
    t->bytes += used;
    return (ssize_t)used;
}

/* --- open and close ---------------------------------------------------------------------------------------------- */

static char *default_name(const char *path, bool directory)
{
    if (directory)
        return strdup(".");
    const char *slash = strrchr(path, '/');
    return strdup(slash != NULL ? slash + 1 : path);
}

/* The top is a directory: its header, then the walk. */
static int open_tree(struct tar_out *t, int fd, const struct stat *st)
{
    t->top_dev = st->st_dev;
    if (set_member(t, "", true) != 0 || emit(t, '5', st, "", 0) != 0) {
        close(fd);
        return -1;
    }
    if (walk_open(&t->walk, fd, TAR_OUT_MAX_PATH) != 0)
        return -1;
    t->walking = true;
    return 0;
}

static int open_top(struct tar_out *t, const struct stat *st)
{
    struct stat now;
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
        return set_member(t, "", false) != 0 ? -1 : emit_special(t, AT_FDCWD, t->path, st);
    int fd = open_entry(AT_FDCWD, t->path, S_ISDIR(st->st_mode));
    if (fd < 0)
        return -1;
    if (fstat(fd, &now) != 0 || (now.st_mode & S_IFMT) != (st->st_mode & S_IFMT)) {
        close(fd);
        errno = ESTALE;
        return -1;
    }
    if (S_ISDIR(now.st_mode))
        return open_tree(t, fd, &now);
    if (set_member(t, "", false) == 0)
        return emit_file(t, fd, &now);
    close(fd);
    return -1;
}

static int prepare(struct tar_out *t, const struct tar_out_options *o, struct fs_entry *entry, struct failure *f)
{
    struct stat st;
    if (entry != NULL && fs_stat(t->path, false, entry, f) != 0)
        return -1;
    if (lstat(t->path, &st) != 0)
        return failure_errno(f, errno, "read", t->path);
    if (S_ISSOCK(st.st_mode))
        return failure_set(f, ST_UNSUPPORTED, 0, t->path, "is a socket, which a tar archive cannot hold");
    bool named = o->name != NULL && o->name[0] != 0;
    t->name = named ? strdup(o->name) : default_name(t->path, S_ISDIR(st.st_mode));
    if (t->name == NULL)
        return failure_errno(f, ENOMEM, "read", t->path);
    return open_top(t, &st) == 0 ? 0 : failure_errno(f, errno, "read", t->path);
}

struct tar_out *tar_out_open(const char *path, const struct tar_out_options *options, struct fs_entry *entry,
                             struct failure *f)
{
    struct tar_out *t = calloc(1, sizeof *t);
    if (t == NULL || (t->path = strdup(path)) == NULL) {
        free(t);
        failure_errno(f, ENOMEM, "read", path);
        return NULL;
    }
    t->file = -1;
    t->one_file_system = options->one_file_system;
    if (prepare(t, options, entry, f) == 0)
        return t;
    tar_out_close(t);
    return NULL;
}

uint64_t tar_out_bytes(const struct tar_out *t)
{
    return t->bytes;
}

uint64_t tar_out_entries(const struct tar_out *t)
{
    return t->entries;
}

void tar_out_close(struct tar_out *t)
{
    if (t == NULL)
        return;
    file_done(t);
    sparse_free(&t->map);
    if (t->walking)
        walk_close(&t->walk);
    free(t->pending.data);
    free(t->member.data);
    free(t->links.slots);
    free(t->links.names.data);
    free(t->path);
    free(t->name);
    free(t);
}
