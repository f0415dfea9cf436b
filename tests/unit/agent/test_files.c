/*
 * Tests of the file libraries: fsops, tar_out, tar_in, watcher. One line per test; the exit status is not 0 when one
 * fails. GNU tar is the reference for both directions. What needs root (devices, mounts, owners) is skipped without.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "beneath.h"
#include "fsops.h"
#include "tar_in.h"
#include "tar_out.h"
#include "watcher.h"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("FAILED  %s\n        %s:%d: %s (errno %d, last failure: %d \"%s\")\n", current, __FILE__, __LINE__, \
                   #condition, errno, last.status, last.message);                                                      \
            fflush(stdout);                                                                                            \
            _exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static const char *current = "";
static struct failure last; /* what the libraries fill in */
static char base[64];

/* --- helpers ----------------------------------------------------------------------------------------------------- */

static void sh(const char *format, ...)
{
    char command[8192];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    int status = system(command);
    if (status != 0)
        printf("        command failed: %s\n", command);
    CHECK(status == 0);
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    fputs(text, f);
    CHECK(fclose(f) == 0);
}

static bool holds(const char *path, const char *text)
{
    char buf[256] = {0};
    int fd = open(path, O_RDONLY | O_NOFOLLOW);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, buf, sizeof buf - 1);
    close(fd);
    return n >= 0 && strcmp(buf, text) == 0;
}

static bool there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    CHECK(lstat(path, &st) == 0);
    return st.st_mode & 07777;
}

static unsigned names_in(const char *path)
{
    DIR *d = opendir(path);
    CHECK(d != NULL);
    unsigned n = 0;
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n - 2;
}

static unsigned open_files(void)
{
    return names_in("/proc/self/fd");
}

/* An archive in memory. */
struct archive {
    uint8_t *data;
    size_t len, room;
};

static void append(struct archive *a, const void *data, size_t len)
{
    if (a->len + len > a->room) {
        a->room = (a->len + len) * 2;
        a->data = realloc(a->data, a->room);
        CHECK(a->data != NULL);
    }
    if (len > 0)
        memcpy(a->data + a->len, data, len);
    a->len += len;
}

static void clear(struct archive *a)
{
    free(a->data);
    *a = (struct archive){0};
}

static struct archive slurp(const char *path)
{
    struct archive a = {0};
    char buf[65536];
    size_t n;
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        append(&a, buf, n);
    fclose(f);
    return a;
}

static void spill(const struct archive *a, const char *path)
{
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    CHECK(fwrite(a->data, 1, a->len, f) == a->len);
    CHECK(fclose(f) == 0);
}

static void fix_checksum(uint8_t *block)
{
    unsigned sum = 0;
    memset(block + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += block[i];
    snprintf((char *)block + 148, 7, "%06o", sum);
    block[154] = 0;
}

/* A ustar member; `data` may be NULL. Returns the offset of its header. */
static size_t member(struct archive *a, char type, const char *name, const char *link, const char *data, size_t size)
{
    uint8_t h[512] = {0};
    size_t at = a->len;
    memcpy(h, name, strnlen(name, 100));
    memcpy(h + 100, "0000644", 8);
    memcpy(h + 108, "0000000", 8);
    memcpy(h + 116, "0000000", 8);
    snprintf((char *)h + 124, 12, "%011zo", size);
    memcpy(h + 136, "00000000001", 12);
    h[156] = (uint8_t)type;
    memcpy(h + 157, link, strnlen(link, 100));
    memcpy(h + 257, "ustar\0" "00", 8);
    fix_checksum(h);
    append(a, h, 512);
    if (data != NULL) {
        static const uint8_t zeros[512];
        append(a, data, size);
        append(a, zeros, (512 - size % 512) % 512);
    }
    return at;
}

static void file(struct archive *a, const char *name, const char *text)
{
    member(a, '0', name, "", text, strlen(text));
}

static void end(struct archive *a)
{
    static const uint8_t zeros[1024];
    append(a, zeros, sizeof zeros);
}

static struct tar_in_options in_options = {.keep_owner = false, .skip_devices = true};
static uint64_t extracted; /* entries of the last extraction */

/* Pushes in pieces of `piece` bytes. The status; `last` holds the failure. */
static enum status extract(const struct archive *a, const char *into, size_t piece)
{
    struct tar_in *t = tar_in_open(into, &in_options, &last);
    CHECK(t != NULL);
    int result = 0;
    for (size_t at = 0; at < a->len && result == 0; at += piece)
        result = tar_in_push(t, a->data + at, a->len - at < piece ? a->len - at : piece);
    if (result == 0)
        result = tar_in_finish(t);
    last = *tar_in_failure(t);
    extracted = tar_in_entries(t);
    CHECK((result == 0) == (last.status == ST_OK));
    tar_in_close(t);
    return last.status;
}

/* Ends, extracts into the directory `d`, and forgets the archive. */
static enum status try_archive(struct archive *a)
{
    end(a);
    enum status s = extract(a, "d", 4096);
    clear(a);
    return s;
}

static struct archive pack_piece(const char *path, const char *name, size_t piece)
{
    struct tar_out_options o = {.name = name};
    struct archive a = {0};
    struct tar_out *t = tar_out_open(path, &o, NULL, &last);
    CHECK(t != NULL);
    uint8_t *buf = malloc(piece);
    ssize_t n;
    while ((n = tar_out_read(t, buf, piece, &last)) > 0)
        append(&a, buf, (size_t)n);
    CHECK(n == 0);
    CHECK(tar_out_bytes(t) == a.len && a.len % 512 == 0);
    tar_out_close(t);
    free(buf);
    return a;
}

static struct archive pack(const char *path, const char *name)
{
    return pack_piece(path, name, 65536);
}

/* Types, modes, owners, sizes, times (to the nanosecond), targets, link counts and contents. */
static void same_trees(const char *a, const char *b)
{
    const char *look = "find . -mindepth 1 \\( -type d -printf '%p|%y|%m|%U|%G|%T@\\0' -o -printf "
                       "'%p|%y|%m|%U|%G|%s|%T@|%l|%n\\0' \\) | sort -z";
    sh("(cd %s && %s) > want.lst; (cd %s && %s) > have.lst; cmp want.lst have.lst", a, look, b, look);
    /* diff has an opinion about fifos and devices that are the same on both sides. */
    sh("! diff -rq --no-dereference %s %s 2>&1 | grep -v 'is a \\(fifo\\|character\\|block\\)'", a, b);
}

/* One of everything. */
static void make_rich_tree(const char *dir)
{
    sh("mkdir -p %s && cd %s && mkdir -p sub/empty a/b && printf hello > file && : > none && ln -s file link && "
       "ln -s /nowhere/at/all dangling && ln file a/hard && ln file a/b/hard2 && mkfifo fifo && "
       "head -c 700001 /dev/urandom > a/random && head -c 512 /dev/zero > a/block && chmod 4755 none && "
       "chmod 0400 a/random && chmod 1777 sub && chmod 0555 sub/empty && "
       "touch -d '2001-02-03 04:05:06.123456789' file && touch -d '1960-01-01 00:00:00.25' a/block && "
       "touch -h -d '1999-09-09 09:09:09' link && touch -d '2040-05-05' none",
       dir, dir);
    char path[512], name[256];
    memset(name, 'n', 250);
    name[250] = 0;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    put(path, "a long name");
    snprintf(path, sizeof path, "%s/line\nbreak", dir);
    put(path, "a newline in its name");
    snprintf(path, sizeof path, "%s/gr\xc3\xbc\xc3\x9f dich", dir);
    put(path, "umlauts");
    snprintf(path, sizeof path, "%s/not\xff\xfeutf8", dir);
    put(path, "bytes");
    snprintf(path, sizeof path, "%s/long link", dir);
    memset(name, 't', 250);
    CHECK(symlink(name, path) == 0);
    if (geteuid() == 0)
        sh("cd %s && mknod dev c 1 3 && chown 1234:5678 file a && chown -h 3000000:4000000 link", dir);
    sh("cd %s && touch -d '2010-10-10 10:10:10.5' a/b a sub .", dir);
}

/* d1/d2/… with names of `width` bytes, by way of the current directory (the path may be longer than PATH_MAX). */
static void make_deep(const char *top, int levels, size_t width)
{
    char name[256];
    memset(name, 'x', width);
    name[width] = 0;
    int at = open(top, O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < levels; i++) {
        CHECK(mkdirat(at, name, 0755) == 0);
        int fd = openat(at, name, O_RDONLY | O_DIRECTORY);
        CHECK(fd >= 0);
        close(at);
        at = fd;
    }
    int fd = openat(at, "bottom", O_WRONLY | O_CREAT, 0644);
    CHECK(write(fd, "deep", 4) == 4);
    close(fd);
    close(at);
}

/* How deep the only chain of directories goes, checking the file at its end. */
static int depth_of(const char *top, size_t width)
{
    char name[256], text[5] = {0};
    memset(name, 'x', width);
    name[width] = 0;
    int at = open(top, O_RDONLY | O_DIRECTORY), levels = 0, fd;
    while ((fd = openat(at, name, O_RDONLY | O_DIRECTORY)) >= 0) {
        close(at);
        at = fd;
        levels++;
    }
    fd = openat(at, "bottom", O_RDONLY);
    CHECK(fd >= 0 && read(fd, text, 4) == 4 && strcmp(text, "deep") == 0);
    close(fd);
    close(at);
    return levels;
}

/* Mounts a tmpfs in a private mount namespace of a child that runs `body`; false when that is not allowed. */
static bool with_mount(const char *where, const char *options, void (*body)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("none", where, "tmpfs", 0, options) != 0)
            _exit(77);
        body();
        fflush(stdout);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77));
    return WEXITSTATUS(status) == 0;
}

/* --- fsops ------------------------------------------------------------------------------------------------------- */

static void stat_describes_every_type(void)
{
    struct fs_entry e;
    put("f", "12345");
    CHECK(chmod("f", 04751) == 0 && link("f", "f2") == 0 && symlink("f", "l") == 0 && mkfifo("p", 0600) == 0);
    sh("touch -d '1970-01-01 00:00:01.000000002 UTC' f; mkdir dir");
    CHECK(fs_stat("./f", false, &e, &last) == 0);
    CHECK(strcmp(e.name, "f") == 0 && strcmp(e.type, "file") == 0 && e.size == 5 && e.mode == 04751 && e.nlink == 2);
    CHECK(e.mtime_ns == 1000000002 && e.ino != 0 && !e.has_target && e.uid == geteuid());
    CHECK(fs_stat("l", false, &e, &last) == 0);
    CHECK(strcmp(e.type, "symlink") == 0 && e.has_target && strcmp(e.target, "f") == 0);
    CHECK(fs_stat("l", true, &e, &last) == 0 && strcmp(e.type, "file") == 0 && strcmp(e.name, "l") == 0);
    CHECK(fs_stat("p", false, &e, &last) == 0 && strcmp(e.type, "fifo") == 0);
    CHECK(fs_stat("dir/", false, &e, &last) == 0 && strcmp(e.type, "dir") == 0 && strcmp(e.name, "dir") == 0);
    CHECK(fs_stat("/dev/null", false, &e, &last) == 0 && strcmp(e.type, "char") == 0);
    CHECK(fs_stat("/", false, &e, &last) == 0 && strcmp(e.type, "dir") == 0);
    sh("touch -d '1969-12-31 23:59:59.5 UTC' f");
    CHECK(fs_stat("f", false, &e, &last) == 0 && e.mtime_ns == -500000000);
}

static void stat_of_a_missing_file_names_it(void)
{
    struct fs_entry e;
    CHECK(fs_stat("no\nsuch \xff", false, &e, &last) == -1);
    CHECK(last.status == ST_NOT_FOUND && last.err == ENOENT && strstr(last.message, "no\\x0asuch \\xff") != NULL);
    put("f", "");
    CHECK(fs_stat("f/x", false, &e, &last) == -1 && last.status == ST_NOT_DIRECTORY);
    char longest[6000];
    memset(longest, 'p', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    CHECK(fs_stat(longest, false, &e, &last) == -1 && strlen(last.message) <= FAILURE_MESSAGE_MAX);
    CHECK(strstr(last.message, strerror(ENAMETOOLONG)) != NULL);
}

static void list_gives_each_entry_once(void)
{
    struct fs_entry e;
    char seen[3000] = {0};
    sh("mkdir d && cd d && seq 0 2998 | xargs touch");
    CHECK(symlink("somewhere", "d/2999") == 0);
    struct fs_list *list = fs_list_open("d", &last);
    CHECK(list != NULL);
    int n = 0, more;
    while ((more = fs_list_next(list, &e, &last)) > 0) {
        CHECK(!seen[atoi(e.name)]++);
        CHECK(e.has_target == (atoi(e.name) == 2999));
        n++;
    }
    CHECK(more == 0 && n == 3000);
    fs_list_close(list);
    CHECK(fs_list_open("d/1", &last) == NULL && last.status == ST_NOT_DIRECTORY);
}

static void read_open_takes_regular_files_only(void)
{
    struct fs_entry e;
    char c;
    put("f", "abc");
    CHECK(mkfifo("p", 0600) == 0);
    int fd = fs_read_open("f", 2, &e, &last);
    CHECK(fd >= 0 && e.size == 3 && read(fd, &c, 1) == 1 && c == 'c');
    close(fd);
    CHECK(fs_read_open("p", 0, NULL, &last) == -1 && last.status == ST_UNSUPPORTED);
    CHECK(fs_read_open(".", 0, NULL, &last) == -1 && last.status == ST_IS_DIRECTORY);
    CHECK(fs_read_open("f", UINT64_MAX, NULL, &last) == -1 && last.status == ST_BAD_REQUEST);
}

static void mkdir_sets_the_exact_mode(void)
{
    mode_t old = umask(077);
    CHECK(fs_mkdir("a", 01777, false, &last) == 0 && mode_of("a") == 01777);
    CHECK(fs_mkdir("b/c//d/", 0700, true, &last) == 0 && mode_of("b") == 0755 && mode_of("b/c/d") == 0700);
    umask(old);
    CHECK(fs_mkdir("b/c/d", 0777, true, &last) == 0 && mode_of("b/c/d") == 0700);
    CHECK(fs_mkdir("b", 0755, false, &last) == -1 && last.status == ST_EXISTS);
    CHECK(fs_mkdir("x/y", 0755, false, &last) == -1 && last.status == ST_NOT_FOUND);
    put("f", "");
    CHECK(fs_mkdir("f", 0755, true, &last) == -1 && last.status == ST_EXISTS);
    CHECK(fs_mkdir("f/g/h", 0755, true, &last) == -1 && last.status == ST_NOT_DIRECTORY);
}

static void move_replaces_only_when_asked(void)
{
    put("a", "A");
    put("b", "B");
    CHECK(fs_move("a", "b", false, &last) == -1 && last.status == ST_EXISTS && holds("b", "B") && holds("a", "A"));
    CHECK(fs_move("a", "b", true, &last) == 0 && holds("b", "A") && !there("a"));
    CHECK(fs_move("b", "c", false, &last) == 0 && holds("c", "A"));
    CHECK(fs_move("missing", "z", false, &last) == -1 && last.status == ST_NOT_FOUND);
    CHECK(strstr(last.message, "missing") != NULL);
    sh("mkdir d e; touch e/x");
    CHECK(fs_move("d", "e", true, &last) == -1 && last.status == ST_NOT_EMPTY);
    CHECK(fs_move("c", "d", true, &last) == -1 && last.status == ST_IS_DIRECTORY);
}

static void remove_does_not_follow_symlinks(void)
{
    sh("mkdir -p keep d/sub; touch keep/me d/sub/x; ln -s ../keep d/link; ln -s ../../keep d/sub/link; ln -s keep top");
    CHECK(fs_remove("d", true, false, &last) == 0 && !there("d") && there("keep/me"));
    CHECK(fs_remove("top/", true, false, &last) == 0 && !there("top") && there("keep/me"));
}

static void remove_refuses_what_it_should(void)
{
    sh("mkdir -p d e; touch d/x");
    CHECK(fs_remove("d", false, false, &last) == -1 && last.status == ST_NOT_EMPTY);
    CHECK(fs_remove("e", false, false, &last) == 0);
    CHECK(fs_remove("none", true, false, &last) == -1 && last.status == ST_NOT_FOUND);
    CHECK(fs_remove("none", true, true, &last) == 0 && fs_remove("no/ne", false, true, &last) == 0);
    CHECK(fs_remove("/", true, true, &last) == -1 && last.status == ST_BAD_REQUEST);
    CHECK(fs_remove("d/..", true, true, &last) == -1 && last.status == ST_BAD_REQUEST);
    CHECK(fs_remove("d/.", true, true, &last) == -1 && there("d/x"));
}

static void remove_takes_deep_and_wide_trees(void)
{
    unsigned before = open_files();
    struct rlimit limit, small;
    CHECK(mkdir("d", 0755) == 0);
    make_deep("d", 5000, 100);
    sh("mkdir -p d/wide; cd d/wide; seq 5000 | xargs touch; seq -f 'd%%g' 3000 | xargs mkdir");
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    small = limit;
    small.rlim_cur = 64;
    CHECK(setrlimit(RLIMIT_NOFILE, &small) == 0);
    struct fs_remover *r = fs_remover_open("d", true, false, &last);
    CHECK(r != NULL);
    int steps = 0, more;
    while ((more = fs_remover_step(r, 500, &last)) > 0)
        steps++;
    fs_remover_close(r);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(more == 0 && steps > 10 && !there("d") && open_files() == before);
}

static void remove_inside_a_mount(void)
{
    put("d/m/precious", "x");
    CHECK(fs_remove("d", true, false, &last) == -1 && last.status == ST_IO && last.err == EXDEV);
    CHECK(strstr(last.message, "d/m") != NULL && holds("d/m/precious", "x"));
    CHECK(fs_remove("d/m", true, false, &last) == -1 && holds("d/m/precious", "x"));
    beneath_force_walk(true);
    CHECK(fs_remove("d", true, false, &last) == -1 && last.err == EXDEV && holds("d/m/precious", "x"));
}

static void remove_never_enters_another_filesystem(void)
{
    sh("mkdir -p d/m");
    if (!with_mount("d/m", NULL, remove_inside_a_mount))
        printf("        (mounting is not allowed here)\n");
}

static struct fs_write *begin_write(const char *path, const struct fs_write_options *o)
{
    struct fs_write *w = fs_write_open(path, o, &last);
    CHECK(w != NULL && fs_write_data(w, "new ", 4, &last) == 0 && fs_write_data(w, "text", 4, &last) == 0);
    return w;
}

static void write_replaces_only_at_commit(void)
{
    struct fs_write_options o = {.mode = 02640, .has_mtime = true, .mtime_ns = -1, .make_parents = true};
    uint64_t bytes = 0;
    struct fs_entry e;
    put("f", "old");
    fs_write_abort(begin_write("f", &o));
    CHECK(holds("f", "old") && names_in(".") == 1);
    struct fs_write *w = begin_write("f", &o);
    CHECK(holds("f", "old") && names_in(".") == 2);
    CHECK(fs_write_commit(w, &bytes, &last) == 0 && bytes == 8 && holds("f", "new text") && names_in(".") == 1);
    CHECK(fs_stat("f", false, &e, &last) == 0 && e.mode == 02640 && e.mtime_ns == -1);
    CHECK(fs_write_commit(begin_write("p/q/r", &o), NULL, &last) == 0 && holds("p/q/r", "new text"));
}

static void write_replaces_a_symlink_instead_of_following(void)
{
    struct fs_write_options o = {.mode = 0644};
    put("real", "real");
    CHECK(symlink("real", "l") == 0);
    CHECK(fs_write_commit(begin_write("l", &o), NULL, &last) == 0 && holds("l", "new text") && holds("real", "real"));
}

static void write_exclusive_never_replaces(void)
{
    struct fs_write_options o = {.mode = 0644, .exclusive = true};
    put("f", "old");
    CHECK(fs_write_open("f", &o, &last) == NULL && last.status == ST_EXISTS);
    struct fs_write *w = begin_write("g", &o);
    put("g", "somebody was faster");
    CHECK(fs_write_commit(w, NULL, &last) == -1 && last.status == ST_EXISTS && holds("g", "somebody was faster"));
    CHECK(fs_write_commit(begin_write("h", &o), NULL, &last) == 0 && holds("h", "new text") && names_in(".") == 3);
}

static void write_refuses_impossible_targets(void)
{
    struct fs_write_options o = {.mode = 0644};
    sh("mkdir d");
    CHECK(fs_write_open("d", &o, &last) == NULL && last.status == ST_IS_DIRECTORY);
    CHECK(fs_write_open("new/", &o, &last) == NULL && last.status == ST_IS_DIRECTORY);
    CHECK(fs_write_open("no/f", &o, &last) == NULL && last.status == ST_NOT_FOUND);
    CHECK(names_in(".") == 1);
}

/* --- tar_out ----------------------------------------------------------------------------------------------------- */

static void gnu_tar_reads_what_tar_out_writes(void)
{
    make_rich_tree("tree");
    struct archive a = pack("tree", NULL);
    spill(&a, "a.tar");
    sh("mkdir x && tar -xpf a.tar -C x 2>tar.err || cat tar.err");
    same_trees("tree", "x");
    sh("tar --compare -f a.tar -C tree 2>/dev/null");
    clear(&a);
}

static void the_piece_size_does_not_change_the_archive(void)
{
    make_rich_tree("tree");
    struct archive want = pack("tree", "top");
    const size_t pieces[] = {1, 511, 512, 513, 10000, 3000000};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct archive have = pack_piece("tree", "top", pieces[i]);
        CHECK(have.len == want.len && memcmp(have.data, want.data, want.len) == 0);
        clear(&have);
    }
    clear(&want);
}

static void the_top_gets_the_name_asked_for(void)
{
    sh("mkdir t; touch t/x; printf data > f");
    struct archive a = pack("t", "other/name");
    spill(&a, "a.tar");
    clear(&a);
    sh("test \"$(tar tf a.tar | tr '\\n' ' ')\" = 'other/name/ other/name/x '");
    a = pack("f", NULL);
    spill(&a, "b.tar");
    clear(&a);
    sh("test \"$(tar tf b.tar)\" = f && test \"$(tar xOf b.tar)\" = data");
    CHECK(symlink("f", "l") == 0);
    a = pack("./l", NULL);
    CHECK(a.len == 512 * 3 || a.len == 512 * 5);
    CHECK(a.data[a.len - 1024 - 512 + 156] == '2');
    clear(&a);
}

static void sockets_are_left_out(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "t/sock"};
    struct tar_out_options o = {0};
    sh("mkdir t; touch t/x");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    close(fd);
    struct archive a = pack("t", NULL);
    spill(&a, "a.tar");
    clear(&a);
    sh("test \"$(tar tf a.tar | wc -l)\" = 2");
    CHECK(tar_out_open("t/sock", &o, NULL, &last) == NULL && last.status == ST_UNSUPPORTED);
    CHECK(tar_out_open("missing", &o, NULL, &last) == NULL && last.status == ST_NOT_FOUND);
}

/* Reads the first `n` bytes, runs `between`, reads the rest. */
static struct archive pack_disturbed(const char *path, size_t n, const char *between)
{
    struct tar_out_options o = {0};
    struct archive a = {0};
    static uint8_t buf[65536];
    struct tar_out *t = tar_out_open(path, &o, NULL, &last);
    CHECK(t != NULL && n <= sizeof buf && tar_out_read(t, buf, n, &last) == (ssize_t)n);
    append(&a, buf, n);
    sh("%s", between);
    ssize_t got;
    while ((got = tar_out_read(t, buf, sizeof buf, &last)) > 0)
        append(&a, buf, (size_t)got);
    CHECK(got == 0);
    tar_out_close(t);
    spill(&a, "a.tar");
    return a;
}

static void a_shrinking_file_is_filled_with_zeros(void)
{
    sh("yes | head -c 100000 > f; touch -d @1 f");
    struct archive a = pack_disturbed("f", 512 + 4096, "truncate -s 5000 f");
    CHECK(a.len == 512 + 100352 + 1024 && a.data[512 + 4999] == '\n' && a.data[512 + 5000] == 0);
    clear(&a);
    sh("test $(tar xOf a.tar | wc -c) = 100000");
}

static void a_growing_file_is_cut(void)
{
    sh("yes | head -c 100000 > f; touch -d @1 f");
    struct archive a = pack_disturbed("f", 512 + 4096, "yes no | head -c 100000 >> f");
    CHECK(a.len == 512 + 100352 + 1024);
    clear(&a);
    sh("test \"$(tar xOf a.tar | tail -c 4)\" = \"$(yes | head -c 4)\"");
}

static void vanished_entries_are_skipped(void)
{
    sh("mkdir t; cd t; seq 500 | xargs touch; mkdir -p sub/sub; seq -f 'sub/sub/%%g' 100 | xargs touch");
    struct archive a = pack_disturbed("t", 1024 + 512, "rm -rf t/*");
    clear(&a);
    sh("tar tf a.tar > /dev/null");
}

static void vanished_deep_directories_are_skipped(void)
{
    CHECK(mkdir("t", 0755) == 0);
    make_deep("t", 200, 10);
    sh("cd t && for i in 1 2 3; do touch x$i; done");
    struct archive a = pack_disturbed("t", 60000, "mv t/xxxxxxxxxx/xxxxxxxxxx/xxxxxxxxxx moved");
    clear(&a);
    sh("tar tf a.tar > /dev/null");
}

static void sizes_beyond_8_gib_get_a_pax_record(void)
{
    struct tar_out_options o = {0};
    uint8_t buf[2048];
    if (system("fallocate -l 9000000000 big 2>/dev/null && touch -d @1 big") != 0) {
        printf("        (9 GB of disk are not free here)\n");
        return;
    }
    struct tar_out *t = tar_out_open("big", &o, NULL, &last);
    CHECK(t != NULL && tar_out_read(t, buf, sizeof buf, &last) == sizeof buf);
    CHECK(buf[156] == 'x' && memcmp(buf + 512, "19 size=9000000000\n", 19) == 0 && buf[1024 + 156] == '0');
    tar_out_close(t);
}

/* Data at both ends and in the middle, or a hole there; with and without bytes that fill a block. */
static void holes_stay_holes(void)
{
    sh("mkdir t d g; cd t; truncate -s 100000000 hole; truncate -s 1000000 end; printf x | dd of=end bs=1 seek=600000 conv=notrunc "
       "status=none; printf abc >both; truncate -s 900000 both; printf xyz >>both; yes | head -c 100000 >dense; truncate -s 70000 "
       "short; ln hole again; printf z >>short");
    struct archive a = pack("t", NULL);
    CHECK(a.len < 400000);
    spill(&a, "a.tar");
    sh("tar xf a.tar -C g && diff -r t g");
    const size_t pieces[] = {1, 511, 4096, a.len};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        CHECK(extract(&a, "d", pieces[i]) == ST_OK);
        sh("diff -r t d && test $(du -k d/hole | cut -f1) -lt 100 && test $(du -k d/both | cut -f1) -lt 100; rm -r d; mkdir d");
    }
    clear(&a);
    sh("tar cSf b.tar --format=pax -C t .");
    a = slurp("b.tar");
    CHECK(extract(&a, "d", 1000) == ST_OK);
    sh("diff -r t d && test $(du -k d/hole | cut -f1) -lt 100");
    clear(&a);
}

static void out_of_a_mount(void)
{
    struct tar_out_options o = {.one_file_system = true};
    put("t/m/inside", "x");
    struct archive a = pack("t", NULL);
    spill(&a, "all.tar");
    clear(&a);
    static uint8_t buf[65536];
    struct tar_out *t = tar_out_open("t", &o, NULL, &last);
    ssize_t n = tar_out_read(t, buf, sizeof buf, &last);
    CHECK(n > 0);
    append(&a, buf, (size_t)n);
    CHECK(tar_out_entries(t) == 3);
    tar_out_close(t);
    spill(&a, "one.tar");
    clear(&a);
    sh("tar tf all.tar | grep -q m/inside && ! tar tf one.tar | grep -q m/inside && tar tf one.tar | grep -qx ./m/");
}

static void one_file_system_stays_there(void)
{
    sh("mkdir -p t/m; touch t/x");
    if (!with_mount("t/m", NULL, out_of_a_mount))
        printf("        (mounting is not allowed here)\n");
}

static void deep_trees_go_out_and_in(void)
{
    struct rlimit limit, small;
    unsigned before = open_files();
    CHECK(mkdir("t", 0755) == 0 && mkdir("x", 0755) == 0 && mkdir("y", 0755) == 0);
    make_deep("t", 200, 15); /* within PATH_MAX, for GNU tar */
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    small = limit;
    small.rlim_cur = 64;
    CHECK(setrlimit(RLIMIT_NOFILE, &small) == 0);
    struct archive a = pack("t", NULL);
    CHECK(extract(&a, "x", 10000) == ST_OK && depth_of("x", 15) == 200);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    spill(&a, "a.tar");
    clear(&a);
    sh("tar xf a.tar -C y && tar cf b.tar -C y .");
    CHECK(depth_of("y", 15) == 200);
    a = slurp("b.tar");
    sh("rm -rf x/*");
    CHECK(extract(&a, "x", 10000) == ST_OK && depth_of("x", 15) == 200);
    clear(&a);
    CHECK(open_files() == before);
}

static void paths_longer_than_the_kernels_limit_go_out_and_in(void)
{
    CHECK(mkdir("t", 0755) == 0 && mkdir("x", 0755) == 0 && mkdir("y", 0755) == 0);
    make_deep("t", 1000, 200);
    struct archive a = pack("t", NULL);
    CHECK(extract(&a, "x", 65536) == ST_OK && depth_of("x", 200) == 1000);
    beneath_force_walk(true);
    CHECK(extract(&a, "y", 65536) == ST_OK && depth_of("y", 200) == 1000);
    beneath_force_walk(false);
    clear(&a);
    CHECK(fs_remove("t", true, false, &last) == 0 && fs_remove("x", true, false, &last) == 0 &&
          fs_remove("y", true, false, &last) == 0);
}

static void too_long_paths_are_refused(void)
{
    struct tar_out_options o = {0};
    static uint8_t buf[1 << 16];
    CHECK(mkdir("t", 0755) == 0);
    make_deep("t", 4300, 250);
    struct tar_out *t = tar_out_open("t", &o, NULL, &last);
    ssize_t n;
    do
        n = tar_out_read(t, buf, sizeof buf, &last);
    while (n > 0);
    CHECK(n == -1 && last.status == ST_TOO_LARGE);
    tar_out_close(t);
    CHECK(fs_remove("t", true, false, &last) == 0);
}

static void ten_thousand_files_go_out_and_in(void)
{
    sh("mkdir t x y; cd t; for d in $(seq 100); do mkdir d$d; for f in $(seq 100); do echo $d.$f > d$d/f$f; done; done");
    struct archive a = pack("t", NULL);
    CHECK(extract(&a, "x", 65536) == ST_OK && extracted == 10101);
    same_trees("t", "x");
    spill(&a, "a.tar");
    clear(&a);
    sh("tar xpf a.tar -C y");
    same_trees("t", "y");
}

static void more_hard_links_than_remembered_become_files(void)
{
    sh("mkdir t x; cd t; mkdir a b; for i in $(seq 300); do echo $i > a/$i; ln a/$i b/$i; done");
    struct archive a = pack("t", NULL);
    CHECK(extract(&a, "x", 65536) == ST_OK);
    same_trees("t", "x");
    clear(&a);
}

/* --- tar_in ------------------------------------------------------------------------------------------------------ */

static void tar_in_reads_what_gnu_tar_writes(void)
{
    const char *formats[] = {"posix", "gnu", "ustar", "v7"};
    in_options = (struct tar_in_options){.keep_owner = geteuid() == 0, .skip_devices = false};
    make_rich_tree("tree");
    for (int i = 0; i < 4; i++) {
        /* The old formats know neither long names nor fractions of a second nor times before 1970. */
        if (i == 1)
            sh("touch -h -d @1000000000 tree/* tree/*/* tree/*/*/* && touch -d @1000000000 tree/a/b tree/a tree/sub");
        if (i == 2)
            sh("rm -f tree/nnn* tree/'long link' && (chown -h 5:5 tree/link || true) && touch -d @1 tree");
        if (i == 3)
            sh("rm -f tree/fifo tree/dev");
        sh("tar --format=%s -cf a.tar -C tree . && rm -rf x && mkdir x", formats[i]);
        struct archive a = slurp("a.tar");
        CHECK(extract(&a, "x", i % 2 ? 7 : 65536) == ST_OK);
        same_trees("tree", "x");
        clear(&a);
    }
}

static void its_own_archives_come_back_the_same(void)
{
    const size_t pieces[] = {1, 511, 512, 513, 100000, SIZE_MAX / 2};
    in_options = (struct tar_in_options){.keep_owner = geteuid() == 0, .skip_devices = false};
    make_rich_tree("tree");
    struct archive a = pack("tree", NULL);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        beneath_force_walk(i % 2 == 1);
        sh("rm -rf x; mkdir x");
        CHECK(extract(&a, "x", pieces[i]) == ST_OK);
        same_trees("tree", "x");
        CHECK(extract(&a, "x", pieces[i]) == ST_OK); /* over itself */
        same_trees("tree", "x");
    }
    beneath_force_walk(false);
    clear(&a);
}

static void expect_invalid(struct archive *a, const char *name)
{
    CHECK(try_archive(a) == ST_INVALID_ARCHIVE);
    CHECK(strstr(last.message, name) != NULL);
}

static void names_that_leave_are_refused(void)
{
    const char *names[] = {"/etc/evil", "../evil", "a/../../evil", "a/..", "..", "./../evil", "//evil", "a//../../evil"};
    struct archive a = {0};
    CHECK(mkdir("d", 0755) == 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char types[] = "0125\0007";
        for (size_t k = 0; k < 6; k++) {
            member(&a, types[k], names[i], "target", "", 0);
            expect_invalid(&a, names[i]);
        }
    }
    CHECK(!there("evil") && names_in("d") == 0);
}

static void nothing_is_written_through_a_symlink(void)
{
    struct archive a = {0};
    sh("mkdir d outside; printf safe > outside/file");
    for (int fallback = 0; fallback < 2; fallback++) {
        beneath_force_walk(fallback);
        member(&a, '2', "s", "../outside", NULL, 0);
        file(&a, "s/file", "evil");
        expect_invalid(&a, "s/file");
        member(&a, '2', "s", "../outside", NULL, 0);
        file(&a, "s/deeper/file", "evil");
        expect_invalid(&a, "s/deeper/file");
        member(&a, '2', "s", ".", NULL, 0); /* even one that stays inside */
        file(&a, "s/file", "evil");
        expect_invalid(&a, "s/file");
        member(&a, '5', "s/", "", NULL, 0);
        CHECK(try_archive(&a) == ST_NOT_DIRECTORY);
        member(&a, '2', "s", "../outside/file", NULL, 0);
        file(&a, "s", "replaced");
        CHECK(try_archive(&a) == ST_OK && holds("d/s", "replaced"));
        sh("rm d/s; ln -s ../outside d/pre");
        member(&a, '5', "pre/new", "", NULL, 0);
        expect_invalid(&a, "pre/new");
        sh("rm d/pre");
    }
    beneath_force_walk(false);
    CHECK(holds("outside/file", "safe") && names_in("outside") == 1);
}

static void hard_links_that_leave_are_refused(void)
{
    struct archive a = {0};
    sh("mkdir d outside; printf safe > outside/file");
    const char *targets[] = {"/etc/passwd", "../outside/file", "", ".", "a/../../outside/file", "missing"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        member(&a, '1', "l", targets[i], NULL, 0);
        expect_invalid(&a, "l");
    }
    member(&a, '2', "s", "../outside", NULL, 0);
    member(&a, '1', "l", "s/file", NULL, 0);
    expect_invalid(&a, "l");
    CHECK(!there("d/l"));
    /* A hard link to a symlink is the symlink again; writing to it replaces it. */
    member(&a, '2', "s", "../outside/file", NULL, 0);
    member(&a, '1', "l", "s", NULL, 0);
    file(&a, "l", "evil");
    CHECK(try_archive(&a) == ST_OK && holds("d/l", "evil") && holds("outside/file", "safe"));
}

static void existing_files_are_replaced_not_overwritten(void)
{
    struct archive a = {0};
    sh("mkdir -p d/dir outside; printf safe > outside/file; ln outside/file d/linked; ln -s ../outside/file d/sym; "
       "mkfifo d/fifo; printf keep > d/dir/other");
    file(&a, "linked", "1");
    file(&a, "sym", "2");
    file(&a, "fifo", "3");
    member(&a, '5', "dir/", "", NULL, 0);
    file(&a, "dir/mine", "4");
    CHECK(try_archive(&a) == ST_OK && extracted == 5);
    CHECK(holds("d/linked", "1") && holds("d/sym", "2") && holds("d/fifo", "3") && holds("d/dir/mine", "4"));
    CHECK(holds("d/dir/other", "keep") && holds("outside/file", "safe"));
    file(&a, "dir", "x");
    CHECK(try_archive(&a) == ST_IS_DIRECTORY && strstr(last.message, "dir") != NULL);
    member(&a, '5', "linked", "", NULL, 0);
    CHECK(try_archive(&a) == ST_NOT_DIRECTORY && holds("d/linked", "1"));
    file(&a, "linked/x", "x");
    CHECK(try_archive(&a) == ST_NOT_DIRECTORY);
    member(&a, '1', "linked", "linked", NULL, 0);
    CHECK(try_archive(&a) == ST_OK && holds("d/linked", "1"));
}

static void the_destination_keeps_its_mode(void)
{
    struct archive a = {0};
    CHECK(mkdir("d", 0755) == 0 && chmod("d", 01777) == 0);
    member(&a, '5', "./", "", NULL, 0);
    file(&a, "./f", "x");
    CHECK(try_archive(&a) == ST_OK && extracted == 2 && mode_of("d") == 01777);
    file(&a, ".", "x");
    expect_invalid(&a, ".");
}

/* The header field at `offset` becomes `bytes`. */
static void patch(struct archive *a, size_t header, size_t offset, const void *bytes, size_t len)
{
    memcpy(a->data + header + offset, bytes, len);
    fix_checksum(a->data + header);
}

static void impossible_numbers_are_refused(void)
{
    struct archive a = {0};
    static const uint8_t minus_one[12] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    static const uint8_t huge[12] = {0x80, 0, 0, 0x7f, 255, 255, 255, 255, 255, 255, 255, 255};
    static const uint8_t nearly[12] = {0x80, 0, 0, 0, 0x7f, 255, 255, 255, 255, 255, 255, 255};
    const void *sizes[] = {minus_one, huge, nearly, "-0000000001", "0000000009 ", "garbage    ", "0x10       "};
    CHECK(mkdir("d", 0755) == 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t at = member(&a, '0', "f", "", NULL, 0);
        patch(&a, at, 124, sizes[i], 12);
        CHECK(try_archive(&a) == ST_INVALID_ARCHIVE);
    }
    size_t at = member(&a, '0', "f", "", NULL, 0);
    a.data[at] ^= 1; /* the checksum does not follow */
    CHECK(try_archive(&a) == ST_INVALID_ARCHIVE && strstr(last.message, "checksum") != NULL);
    CHECK(names_in("d") == 0);
    /* Largest octal: ends as truncated, not as a crash or a wrong size. */
    at = member(&a, '0', "f", "", NULL, 0);
    patch(&a, at, 124, "777777777777", 12);
    CHECK(try_archive(&a) == ST_INVALID_ARCHIVE && strstr(last.message, "ends inside") != NULL && names_in("d") == 0);
}

static void base_256_numbers_are_understood(void)
{
    struct archive a = {0};
    static const uint8_t five[12] = {0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5};
    static const uint8_t before_1970[12] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0xf6};
    struct fs_entry e;
    CHECK(mkdir("d", 0755) == 0);
    size_t at = member(&a, '0', "f", "", "hello", 5);
    patch(&a, at, 124, five, 12);
    patch(&a, at, 136, before_1970, 12);
    CHECK(try_archive(&a) == ST_OK && holds("d/f", "hello"));
    CHECK(fs_stat("d/f", false, &e, &last) == 0 && e.mtime_ns == -10000000000);
}

static void with_pax(struct archive *a, char type, const char *records, size_t len)
{
    member(a, type, "PaxHeaders/x", "", records, len);
}

static void malformed_pax_records_are_refused(void)
{
    const char *records[] = {
        "x",           "5 a=",          "6 a=b",         "7 a=b\n",      "5 a=b\n",       "0 a=b\n",          "-6 a=b\n",
        "06a=b\n",     "6 abc\n",       "4 =\n",         "5 =b\n",       "99999999999999999999999 a=b\n",       " 6 a=b\n",
        "11 size=-1\n", "12 size=1x \n", "28 size=9223372036854775807\n", "29 size=99999999999999999999\n",     "10 mtime=x\n",
        "15 mtime=1.2.3\n", "9 uid=-1\n", "18 uid=4294967295\n", "10 mtime=.\n", "14 path=a\nb\n6",
    };
    struct archive a = {0};
    CHECK(mkdir("d", 0755) == 0);
    for (size_t i = 0; i < sizeof records / sizeof *records; i++)
        for (int global = 0; global < 2; global++) {
            with_pax(&a, global ? 'g' : 'x', records[i], strlen(records[i]));
            file(&a, "f", "hi");
            CHECK(try_archive(&a) == ST_INVALID_ARCHIVE);
        }
    with_pax(&a, 'x', "11 path=a\0b\n", 12); /* a NUL inside */
    file(&a, "f", "hi");
    CHECK(try_archive(&a) == ST_INVALID_ARCHIVE);
    with_pax(&a, 'x', "16 path=../evil\n", 16);
    file(&a, "f", "hi");
    expect_invalid(&a, "../evil");
    static const char *const formats[] = {
        "22 GNU.sparse.major=1\n", "22 GNU.sparse.major=0\n22 GNU.sparse.minor=1\n27 GNU.sparse.realsize=100\n",
        "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n27 GNU.sparse.realsize=100\n23 GNU.sparse.map=0,10\n",
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        with_pax(&a, 'x', formats[i], strlen(formats[i]));
        file(&a, "f", "hi");
        CHECK(try_archive(&a) == ST_UNSUPPORTED && names_in("d") == 0);
    }
}

static void sparse_maps_are_checked(void)
{
    static const char *const maps[] = {
        "1\n0\n2\n1\n",                 /* data behind it is longer than the parts */
        "2\n10\n1\n5\n1\n",            /* not in order */
        "2\n5\n2\n6\n1\n",             /* overlapping */
        "1\n99\n2\n",                  /* beyond the size */
        "1\n18446744073709551615\n2\n", /* no number */
        "1\n\n2\n", "x\n", "1 0 2\n", "40000\n", "",
    };
    CHECK(mkdir("d", 0755) == 0);
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        struct archive a = {0};
        char data[515] = "";
        strcpy(data, maps[i]);
        const char *pax = "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n27 GNU.sparse.realsize=100\n";
        with_pax(&a, 'x', pax, strlen(pax));
        member(&a, '0', "f", "", data, i == 0 ? 515 : 514);
        CHECK(try_archive(&a) == ST_INVALID_ARCHIVE);
        CHECK(names_in("d") == 0);
    }
}

static void pax_headers_beyond_1_mib_are_refused(void)
{
    struct archive a = {0};
    CHECK(mkdir("d", 0755) == 0);
    const char *types = "xgLK";
    for (int i = 0; i < 4; i++) {
        member(&a, types[i], "big", "", NULL, (1u << 20) + 1);
        CHECK(try_archive(&a) == ST_INVALID_ARCHIVE && strstr(last.message, "1 MiB") != NULL);
    }
}

static void pax_overrides_end_where_they_should(void)
{
    struct archive a = {0};
    struct fs_entry e;
    CHECK(mkdir("d", 0755) == 0);
    with_pax(&a, 'g', "15 mtime=77.25\n", 15);
    with_pax(&a, 'x', "14 path=other\n10 size=2\n", 24);
    member(&a, '0', "f", "", "hi", 2);
    file(&a, "g", "next");
    with_pax(&a, 'x', "11 mtime=5\n", 11);
    file(&a, "h", "last");
    CHECK(try_archive(&a) == ST_OK && holds("d/other", "hi") && holds("d/g", "next") && !there("d/f"));
    CHECK(fs_stat("d/g", false, &e, &last) == 0 && e.mtime_ns == 77250000000);
    CHECK(fs_stat("d/h", false, &e, &last) == 0 && e.mtime_ns == 5000000000);
}

static void a_truncated_archive_is_noticed_everywhere(void)
{
    struct archive a = {0};
    CHECK(mkdir("d", 0755) == 0);
    file(&a, "one", "1");
    with_pax(&a, 'x', "14 path=other\n", 14);
    file(&a, "two", "22");
    member(&a, '5', "dir/", "", NULL, 0);
    size_t complete = a.len;
    end(&a);
    size_t whole = a.len;
    for (a.len = 0; a.len < complete + 512; a.len += a.len % 512 == 1 ? 510 : 1) {
        CHECK(extract(&a, "d", 300) == ST_INVALID_ARCHIVE);
        CHECK((extracted > 0) == there("d/one"));
        sh("rm -rf d/*");
    }
    a.len = whole - 512; /* one end block is tolerated, as by GNU tar */
    CHECK(extract(&a, "d", 300) == ST_OK && holds("d/other", "22"));
    clear(&a);
}

static void a_half_written_file_is_removed(void)
{
    struct archive a = {0};
    CHECK(mkdir("d", 0755) == 0);
    member(&a, '0', "big", "", NULL, 1 << 20);
    for (int i = 0; i < 100; i++)
        append(&a, base, sizeof base);
    struct tar_in *t = tar_in_open("d", &in_options, &last);
    CHECK(tar_in_push(t, a.data, a.len) == 0 && !there("d/big"));
    tar_in_close(t);
    CHECK(names_in("d") == 0);
    CHECK(extract(&a, "d", 1000) == ST_INVALID_ARCHIVE && strstr(last.message, "big") != NULL && names_in("d") == 0);
    clear(&a);
}

/* Large or small, whole or cut off anywhere, beside what has the name already. */
static void what_is_replaced_stays_until_its_successor_is_complete(void)
{
    for (unsigned size = 1000; size <= 200000; size *= 200) {
        struct archive a = {0};
        sh("rm -rf d && mkdir d && echo old >d/f && ln d/f d/g && ln -s nowhere d/l");
        member(&a, '0', "f", "", NULL, size);
        size_t header = a.len;
        while (a.len < header + size)
            append(&a, base, 40);
        size_t whole = a.len;
        for (a.len = header; a.len < whole; a.len += size / 3) {
            CHECK(extract(&a, "d", 300) == ST_INVALID_ARCHIVE && holds("d/f", "old\n") && names_in("d") == 3);
            struct tar_in *t = tar_in_open("d", &in_options, &last);
            CHECK(tar_in_push(t, a.data, a.len) == 0 && holds("d/f", "old\n"));
            tar_in_close(t);
            CHECK(holds("d/f", "old\n") && names_in("d") == 3);
        }
        a.len = header + size;
        while (a.len % 512 != 0)
            append(&a, "", 1);
        member(&a, '2', "g", "f", NULL, 0);
        member(&a, '1', "l", "f", NULL, 0);
        member(&a, '1', "l", "f", NULL, 0);
        end(&a);
        CHECK(extract(&a, "d", 777) == ST_OK && extracted == 4 && names_in("d") == 3);
        sh("test $(stat -c %%s d/f) = %u && test d/l -ef d/f && test $(readlink d/g) = f", size);
        clear(&a);
    }
}

static void what_follows_the_end_is_ignored(void)
{
    struct archive a = {0};
    CHECK(mkdir("d", 0755) == 0);
    file(&a, "f", "x");
    end(&a);
    end(&a);
    append(&a, "garbage", 7);
    file(&a, "g", "x");
    CHECK(extract(&a, "d", 777) == ST_OK && extracted == 1 && !there("d/g"));
    clear(&a);
    static const uint8_t zero[512];
    append(&a, zero, 512);
    file(&a, "g", "x");
    CHECK(try_archive(&a) == ST_INVALID_ARCHIVE && !there("d/g"));
}

static void read_only_directories_are_filled_first(void)
{
    struct archive a = {0};
    CHECK(mkdir("d", 0755) == 0);
    size_t at = member(&a, '5', "ro/", "", NULL, 0);
    patch(&a, at, 100, "0000555", 8);
    at = member(&a, '5', "ro/sub/", "", NULL, 0);
    patch(&a, at, 100, "0000000", 8);
    file(&a, "ro/sub/f", "x");
    file(&a, "ro/g", "y");
    CHECK(try_archive(&a) == ST_OK && mode_of("d/ro") == 0555 && mode_of("d/ro/sub") == 0);
    struct stat st;
    CHECK(stat("d/ro", &st) == 0 && st.st_mtime == 1);
    sh("chmod 755 d/ro d/ro/sub");
    CHECK(holds("d/ro/sub/f", "x") && holds("d/ro/g", "y"));
}

static void a_repeated_directory_gets_its_last_mode(void)
{
    struct archive a = {0};
    CHECK(mkdir("d", 0755) == 0);
    size_t at = member(&a, '5', "x/", "", NULL, 0);
    patch(&a, at, 100, "0000700", 8);
    at = member(&a, '5', "x/", "", NULL, 0);
    patch(&a, at, 100, "0000711", 8);
    CHECK(try_archive(&a) == ST_OK && mode_of("d/x") == 0711);
}

static void more_directories_than_remembered_still_get_their_mode(void)
{
    struct archive a = {0};
    char name[64];
    CHECK(mkdir("d", 0755) == 0);
    for (unsigned i = 0; i < TAR_IN_MAX_DIRS + 50; i++) {
        snprintf(name, sizeof name, "%u/%u/", i / 1000, i);
        size_t at = member(&a, '5', name, "", NULL, 0);
        patch(&a, at, 100, "0000751", 8);
    }
    CHECK(try_archive(&a) == ST_OK && mode_of("d/0/0") == 0751 && mode_of(strcat(strcpy(name, "d/"), "65/65570")) == 0751);
    CHECK(fs_remove("d", true, false, &last) == 0);
}

static void owners_and_set_uid_only_when_asked(void)
{
    struct archive a = {0};
    struct stat st;
    CHECK(mkdir("d", 0755) == 0);
    for (int keep = 0; keep < 2; keep++) {
        if (keep && geteuid() != 0)
            break;
        in_options.keep_owner = keep;
        size_t at = member(&a, '0', "f", "", "x", 1);
        patch(&a, at, 100, "0006755", 8);
        patch(&a, at, 108, "0000017", 8);
        CHECK(try_archive(&a) == ST_OK && lstat("d/f", &st) == 0);
        CHECK(st.st_uid == (keep ? 017 : geteuid()) && (st.st_mode & 07777) == (keep ? 06755 : 0755));
    }
}

static void devices_are_skipped_or_made(void)
{
    struct archive a = {0};
    struct stat st;
    CHECK(mkdir("d", 0755) == 0);
    for (int skip = 1; skip >= 0; skip--) {
        in_options.skip_devices = skip;
        size_t at = member(&a, '3', "null", "", NULL, 0);
        patch(&a, at, 329, "0000001", 8);
        patch(&a, at, 337, "0000003", 8);
        member(&a, '6', "fifo", "", NULL, 0);
        enum status s = try_archive(&a);
        if (geteuid() != 0 && !skip)
            break;
        CHECK(s == ST_OK && there("d/fifo") && there("d/null") == !skip && extracted == (skip ? 1 : 2));
    }
    CHECK(geteuid() != 0 || (stat("d/null", &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)));
    CHECK(geteuid() != 0 || mode_of("d/null") == 0644);
}

static void user_xattrs_come_along(void)
{
    struct archive a = {0};
    char value[16] = {0};
    CHECK(mkdir("d", 0755) == 0);
    const char *record = "29 SCHILY.xattr.user.a=b\0c=d\n";
    with_pax(&a, 'x', record, 29);
    file(&a, "f", "x");
    with_pax(&a, 'x', "33 SCHILY.xattr.security.other=x\n", 33);
    file(&a, "g", "x");
    CHECK(try_archive(&a) == ST_OK && holds("d/f", "x"));
    ssize_t n = getxattr("d/f", "user.a", value, sizeof value);
    if (n < 0 && errno == EOPNOTSUPP)
        printf("        (this filesystem has no user xattrs)\n");
    else
        CHECK(n == 5 && memcmp(value, "b\0c=d", 5) == 0);
    CHECK(getxattr("d/g", "security.other", value, sizeof value) < 0);
}

static void into_a_small_disk(void)
{
    struct archive a = {0};
    char *big = calloc(1, 3 << 20);
    memset(big, 'b', 3 << 20);
    file(&a, "small", "fits");
    member(&a, '0', "too/big", "", big, 3 << 20);
    CHECK(try_archive(&a) == ST_NO_SPACE && last.err == ENOSPC && extracted == 1);
    CHECK(strstr(last.message, "too/big") != NULL && strstr(last.message, "after 1 entries") != NULL);
    CHECK(holds("d/small", "fits") && !there("d/too/big"));
    free(big);
    struct fs_write_options o = {.mode = 0644};
    struct fs_write *w = fs_write_open("d/f", &o, &last);
    static char mib[1 << 20];
    int result = 0;
    for (int i = 0; i < 4 && result == 0; i++)
        result = fs_write_data(w, mib, sizeof mib, &last);
    CHECK(result == -1 && last.status == ST_NO_SPACE);
    fs_write_abort(w);
    CHECK(names_in("d") == 2);
}

static void a_full_disk_is_reported_with_the_member(void)
{
    sh("mkdir d");
    if (!with_mount("d", "size=2m", into_a_small_disk))
        printf("        (mounting is not allowed here)\n");
}

static void unknown_members_are_refused(void)
{
    struct archive a = {0};
    CHECK(mkdir("d", 0755) == 0);
    const char types[] = "SMQzAN";
    for (int i = 0; types[i]; i++) {
        member(&a, types[i], "odd", "", "x", 1);
        enum status s = try_archive(&a);
        CHECK(s == ST_UNSUPPORTED || s == ST_INVALID_ARCHIVE);
    }
    member(&a, 'V', "label", "", "skip me", 7);
    file(&a, "f", "x");
    CHECK(try_archive(&a) == ST_OK && names_in("d") == 1);
    member(&a, '0', "", "", "x", 1);
    CHECK(try_archive(&a) == ST_INVALID_ARCHIVE);
    struct tar_in_options o = {0};
    CHECK(tar_in_open("d/f", &o, &last) == NULL && last.status == ST_NOT_DIRECTORY);
    CHECK(tar_in_open("none", &o, &last) == NULL && last.status == ST_NOT_FOUND);
}

/* --- watcher ----------------------------------------------------------------------------------------------------- */

static char news[1 << 20]; /* "kind path\n", a directory with a slash behind it */

static int collect(struct watcher *w)
{
    struct pollfd p = {.fd = watcher_fd(w), .events = POLLIN};
    struct watch_event e;
    size_t used = 0;
    int count = 0;
    news[0] = 0;
    while (poll(&p, 1, 30) > 0)
        CHECK(watcher_pump(w, &last) == 0);
    for (; watcher_next(w, &e) > 0; count++)
        used += (size_t)snprintf(news + used, sizeof news - used, "%s %s%s\n", e.overflow ? "overflow" : e.kind,
                                 e.overflow ? "" : e.path, e.is_dir ? "/" : "");
    return count;
}

static bool told(const char *line)
{
    char needle[256];
    snprintf(needle, sizeof needle, "%s\n", line);
    const char *at = strstr(news, needle);
    return at != NULL && (at == news || at[-1] == '\n');
}

static struct watcher *watch(const char *path, bool recursive)
{
    struct watcher *w = watcher_open(path, recursive, &last);
    CHECK(w != NULL);
    return w;
}

static void a_watched_directory_tells_what_happens(void)
{
    sh("mkdir -p d/sub");
    struct watcher *w = watch("d", false);
    sh("printf x > d/f; chmod 600 d/f; mv d/f d/g; rm d/g; mkdir d/n; touch d/sub/unseen");
    collect(w);
    CHECK(told("create f") && told("modify f") && told("attrib f") && told("move_from f") && told("move_to g"));
    CHECK(told("delete g") && told("create n/") && strstr(news, "unseen") == NULL);
    sh("rm -rf d");
    collect(w);
    CHECK(told("delete n/") && told("delete ."));
    CHECK(collect(w) == 0);
    watcher_close(w);
}

static void the_end_of_a_watched_tree_is_told(void)
{
    sh("mkdir -p d/a");
    struct watcher *w = watch("d", true);
    sh("rm -rf d; mkdir -p d/b");
    collect(w);
    CHECK(told("delete a/") && told("delete .") && !told("create b/"));
    watcher_close(w);
    w = watch("d", true);
    sh("mv d e; mkdir e/new; touch e/new/f");
    collect(w);
    CHECK(told("move_from .") && told("create new/") && told("overflow "));
    watcher_close(w);
}

static void a_watched_file_is_called_dot(void)
{
    put("f", "x");
    struct watcher *w = watch("f", true);
    sh("printf more >> f");
    collect(w);
    CHECK(strcmp(news, "modify .\n") == 0);
    watcher_close(w);
    CHECK(watcher_open("none", true, &last) == NULL && last.status == ST_NOT_FOUND);
}

static void both_halves_of_a_move_share_a_cookie(void)
{
    struct watch_event e;
    sh("mkdir d; touch d/a");
    struct watcher *w = watch("d", false);
    CHECK(rename("d/a", "d/b") == 0 && watcher_pump(w, &last) == 0);
    CHECK(watcher_next(w, &e) == 1 && strcmp(e.kind, "move_from") == 0 && e.cookie != 0);
    uint32_t cookie = e.cookie;
    CHECK(watcher_next(w, &e) == 1 && strcmp(e.kind, "move_to") == 0 && e.cookie == cookie);
    CHECK(watcher_next(w, &e) == 0);
    watcher_close(w);
}

static void new_directories_are_watched_with_what_is_in_them(void)
{
    sh("mkdir -p d/old/deep");
    unsigned before = open_files();
    struct watcher *w = watch("d", true);
    sh("touch d/old/deep/f; mkdir -p d/a/b/c; touch d/a/b/c/early; ln -s / d/a/link");
    collect(w);
    CHECK(told("create old/deep/f") && told("create a/") && told("create a/b/") && told("create a/b/c/"));
    CHECK(told("create a/b/c/early") && told("create a/link"));
    sh("touch d/a/b/c/late");
    collect(w);
    CHECK(told("create a/b/c/late"));
    watcher_close(w);
    CHECK(open_files() == before);
}

static void moved_directories_are_followed_inside_and_dropped_outside(void)
{
    sh("mkdir -p d/a/b d/x out");
    struct watcher *w = watch("d", true);
    sh("mv d/a d/x/moved");
    collect(w);
    CHECK(told("move_from a/") && told("move_to x/moved/"));
    sh("touch d/x/moved/b/f");
    collect(w);
    CHECK(told("create x/moved/b/f"));
    sh("mv d/x/moved out/");
    collect(w);
    CHECK(told("move_from x/moved/"));
    sh("touch out/moved/b/g; touch d/x/here");
    collect(w);
    CHECK(told("create x/here") && strstr(news, "b/g") == NULL);
    sh("mv out/moved d/back");
    collect(w);
    CHECK(told("move_to back/") && told("create back/b/"));
    sh("touch d/back/b/h; mkdir d/back/b/new; touch d/back/b/new/i");
    collect(w);
    CHECK(told("create back/b/h") && told("create back/b/new/i"));
    sh("rm -rf d/back; mkdir -p d/back/again; touch d/back/again/j");
    collect(w);
    CHECK(told("create back/again/j"));
    watcher_close(w);
}

static void too_many_events_end_in_one_overflow(void)
{
    sh("mkdir d");
    struct watcher *w = watch("d", true);
    sh("cd d; seq 3000 | xargs touch");
    CHECK(collect(w) == (int)WATCHER_MAX_EVENTS + 1);
    CHECK(strcmp(news + strlen(news) - 10, "overflow \n") == 0);
    sh("touch d/after");
    collect(w);
    CHECK(told("create after") && !told("overflow "));
    watcher_close(w);
}

static void a_full_kernel_queue_is_survived(void)
{
    sh("mkdir -p d/gone d/kept");
    struct watcher *w = watch("d", true);
    sh("cd d; seq 20000 | xargs touch; rm -rf gone; mkdir -p unseen/sub");
    collect(w);
    CHECK(told("overflow "));
    sh("touch d/unseen/sub/f d/kept/g");
    collect(w);
    CHECK(told("create unseen/sub/f") && told("create kept/g"));
    watcher_close(w);
}

static void too_many_directories_are_refused(void)
{
    sh("mkdir d; cd d; seq %u | xargs mkdir", WATCHER_MAX_DIRS);
    CHECK(watcher_open("d", true, &last) == NULL && last.status == ST_TOO_MANY);
    sh("rmdir d/1");
    struct watcher *w = watch("d", true);
    CHECK(mkdir("d/1", 0755) == 0 && watcher_pump(w, &last) == -1 && last.status == ST_TOO_MANY);
    watcher_close(w);
}

/* --- all --------------------------------------------------------------------------------------------------------- */

struct test {
    const char *name;
    void (*run)(void);
};

#define TEST(name) {#name, name}

static const struct test tests[] = {
    TEST(stat_describes_every_type),
    TEST(stat_of_a_missing_file_names_it),
    TEST(list_gives_each_entry_once),
    TEST(read_open_takes_regular_files_only),
    TEST(mkdir_sets_the_exact_mode),
    TEST(move_replaces_only_when_asked),
    TEST(remove_does_not_follow_symlinks),
    TEST(remove_refuses_what_it_should),
    TEST(remove_takes_deep_and_wide_trees),
    TEST(remove_never_enters_another_filesystem),
    TEST(write_replaces_only_at_commit),
    TEST(write_replaces_a_symlink_instead_of_following),
    TEST(write_exclusive_never_replaces),
    TEST(write_refuses_impossible_targets),
    TEST(gnu_tar_reads_what_tar_out_writes),
    TEST(the_piece_size_does_not_change_the_archive),
    TEST(the_top_gets_the_name_asked_for),
    TEST(sockets_are_left_out),
    TEST(a_shrinking_file_is_filled_with_zeros),
    TEST(a_growing_file_is_cut),
    TEST(vanished_entries_are_skipped),
    TEST(vanished_deep_directories_are_skipped),
    TEST(sizes_beyond_8_gib_get_a_pax_record),
    TEST(holes_stay_holes),
    TEST(sparse_maps_are_checked),
    TEST(one_file_system_stays_there),
    TEST(deep_trees_go_out_and_in),
    TEST(paths_longer_than_the_kernels_limit_go_out_and_in),
    TEST(too_long_paths_are_refused),
    TEST(ten_thousand_files_go_out_and_in),
    TEST(more_hard_links_than_remembered_become_files),
    TEST(tar_in_reads_what_gnu_tar_writes),
    TEST(its_own_archives_come_back_the_same),
    TEST(names_that_leave_are_refused),
    TEST(nothing_is_written_through_a_symlink),
    TEST(hard_links_that_leave_are_refused),
    TEST(existing_files_are_replaced_not_overwritten),
    TEST(the_destination_keeps_its_mode),
    TEST(impossible_numbers_are_refused),
    TEST(base_256_numbers_are_understood),
    TEST(malformed_pax_records_are_refused),
    TEST(pax_headers_beyond_1_mib_are_refused),
    TEST(pax_overrides_end_where_they_should),
    TEST(a_truncated_archive_is_noticed_everywhere),
    TEST(a_half_written_file_is_removed),
    TEST(what_is_replaced_stays_until_its_successor_is_complete),
    TEST(what_follows_the_end_is_ignored),
    TEST(read_only_directories_are_filled_first),
    TEST(a_repeated_directory_gets_its_last_mode),
    TEST(more_directories_than_remembered_still_get_their_mode),
    TEST(owners_and_set_uid_only_when_asked),
    TEST(devices_are_skipped_or_made),
    TEST(user_xattrs_come_along),
    TEST(a_full_disk_is_reported_with_the_member),
    TEST(unknown_members_are_refused),
    TEST(a_watched_directory_tells_what_happens),
    TEST(the_end_of_a_watched_tree_is_told),
    TEST(a_watched_file_is_called_dot),
    TEST(both_halves_of_a_move_share_a_cookie),
    TEST(new_directories_are_watched_with_what_is_in_them),
    TEST(moved_directories_are_followed_inside_and_dropped_outside),
    TEST(too_many_events_end_in_one_overflow),
    TEST(a_full_kernel_queue_is_survived),
    TEST(too_many_directories_are_refused),
};

/* Each test gets an empty current directory. */
static void run(const struct test *t)
{
    current = t->name;
    in_options = (struct tar_in_options){.keep_owner = false, .skip_devices = true};
    memset(&last, 0, sizeof last);
    CHECK(chdir(base) == 0 && mkdir("test", 0755) == 0 && chdir("test") == 0);
    t->run();
    CHECK(chdir(base) == 0);
    sh("chmod -R u+rwX test && rm -rf test");
    printf("ok      %s\n", t->name);
    fflush(stdout);
}

/* With an argument, only the tests whose name contains it. */
int main(int argc, char **argv)
{
    const char *parent = getenv("TMPDIR");
    umask(022);
    snprintf(base, sizeof base, "%.40s/banger-files-XXXXXX", parent != NULL ? parent : "/tmp");
    if (mkdtemp(base) == NULL)
        return 1;
    unsigned count = 0;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (argc < 2 || strstr(tests[i].name, argv[1]) != NULL) {
            run(&tests[i]);
            count++;
        }
    rmdir(base);
    printf("%u tests passed\n", count);
    return 0;
}
