/* Operation 40: what makes this VM the one it is. Sent after each start and each restore, so everything is repeatable. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "netconf.h"
#include "ops.h"
#include "textfile.h"

#define CLOCK_TOLERANCE_NS 100000000ll
#define ENTROPY_MAX 4096u

static int bad(struct failure *f, const char *text)
{
    return failure_set(f, ST_BAD_REQUEST, 0, NULL, text);
}

static bool has_line(const char *text, const char *line)
{
    size_t len = strlen(line);
    for (const char *at = text; *at != 0; at = strchrnul(at, '\n'), at += *at != 0)
        if (strncmp(at, line, len) == 0 && (at[len] == '\n' || at[len] == 0))
            return true;
    return false;
}

/* ---- hostname ---- */

/* All lines but those for 127.0.1.1, then ours: the name of this machine and nothing stale. */
static int write_hosts(const char *name, struct failure *f)
{
    char *old = text_read("/etc/hosts"), *text = old != NULL ? malloc(strlen(old) + 512) : NULL;
    if (text == NULL) {
        free(old);
        return failure_errno(f, ENOMEM, "write (field hostname)", "/etc/hosts");
    }
    size_t len = 0;
    bool localhost = false;
    for (char *rest = old, *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (strncmp(line, "127.0.1.1", 9) == 0 && (line[9] == ' ' || line[9] == '\t'))
            continue;
        if (*line == 0 && rest == NULL)
            break;
        localhost |= strncmp(line, "127.0.0.1", 9) == 0;
        len += (size_t)sprintf(text + len, "%s\n", line);
    }
    if (!localhost)
        len += (size_t)sprintf(text + len, "127.0.0.1\tlocalhost\n");
    len += (size_t)sprintf(text + len, "127.0.1.1\t%s\n", name);
    free(old);
    int r = text_write("/etc/hosts", text, len, 0644, f);
    free(text);
    return r;
}

static int configure_hostname(struct fields fields, struct failure *f)
{
    char name[65], line[66];
    int r = get_text(fields, 1, name, sizeof name);
    if (r == 0)
        return 0;
    bool ok = r == 1 && name[0] != 0 && name[0] != '-';
    for (const char *p = name; ok && *p != 0; p++)
        ok = isalnum((unsigned char)*p) || *p == '-' || *p == '.';
    if (!ok)
        return bad(f, "field hostname is not a host name");
    int n = snprintf(line, sizeof line, "%s\n", name);
    if (text_write("/etc/hostname", line, (size_t)n, 0644, f) != 0 || write_hosts(name, f) != 0)
        return -1;
    /* After the files, and only another one: it wakes whoever watches the name, systemd and journald for two. */
    char now[65] = "";
    if (gethostname(now, sizeof now) == 0 && strcmp(now, name) == 0)
        return 0;
    return sethostname(name, strlen(name)) == 0 ? 0 : failure_errno(f, errno, "set field hostname to", name);
}

/* ---- clock and randomness ---- */

static int configure_time(struct fields fields, struct failure *f)
{
    uint64_t want;
    int r = get_int(fields, 2, &want);
    if (r == 0)
        return 0;
    if (r < 0 || want > INT64_MAX)
        return bad(f, "field time_ns is not acceptable");
    struct timespec now, to = {.tv_sec = (time_t)(want / 1000000000u), .tv_nsec = (long)(want % 1000000000u)};
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t difference = (int64_t)want - ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    if (difference <= CLOCK_TOLERANCE_NS && difference >= -CLOCK_TOLERANCE_NS)
        return 0;
    return clock_settime(CLOCK_REALTIME, &to) == 0 ? 0 : failure_errno(f, errno, "set", "time_ns");
}

static int configure_entropy(struct fields fields, struct failure *f)
{
    struct field v;
    if (get_field(fields, 3, &v) == 0)
        return 0;
    if (v.len == 0 || v.len > ENTROPY_MAX)
        return bad(f, "field entropy has not 1 to 4096 bytes");
    struct rand_pool_info *info = malloc(sizeof *info + v.len);
    int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
    if (info == NULL || fd < 0) {
        free(info);
        return failure_errno(f, fd < 0 ? errno : ENOMEM, "use field", "entropy");
    }
    info->entropy_count = (int)v.len * 8;
    info->buf_size = (int)v.len;
    memcpy(info->buf, v.value, v.len);
    int r = ioctl(fd, RNDADDENTROPY, info);
    int err = errno;
    if (r == 0)
        ioctl(fd, RNDRESEEDCRNG); /* a restored copy must not give out the numbers of its template */
    explicit_bzero(info, sizeof *info + v.len);
    free(info);
    close(fd);
    return r == 0 ? 0 : failure_errno(f, err, "use field", "entropy");
}

/* ---- ssh keys ---- */

/* Modes as sshd's StrictModes wants them; what has such a one is left alone. False = there is no such file. */
static bool set_mode(const char *path, mode_t needed, mode_t allowed)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return false;
    mode_t mode = (st.st_mode & allowed) | needed;
    if (mode != (st.st_mode & 07777))
        chmod(path, mode);
    return true;
}

static int configure_keys(struct fields fields, struct failure *f)
{
    static const char path[] = "/root/.ssh/authorized_keys";
    struct field v, first;
    if (get_field(fields, 4, &first) == 0)
        return 0;
    if (!set_mode("/root", 0, 07755))
        mkdir("/root", 0700); /* should it fail, the next one does, too */
    if (!set_mode("/root/.ssh", 0700, 0700) && mkdir("/root/.ssh", 0700) != 0)
        return failure_errno(f, errno, "make (field authorized_keys)", "/root/.ssh");
    char *text = text_read(path);
    size_t len = text != NULL ? strlen(text) : 0;
    text = text != NULL ? realloc(text, len + MAX_PAYLOAD + 4) : NULL;
    if (text == NULL)
        return failure_errno(f, ENOMEM, "write", path);
    bool changed = false;
    while (fields_next(&fields, &v) > 0) {
        if (v.tag != 4)
            continue;
        char *key = strndup((const char *)v.value, v.len);
        if (key == NULL || v.len == 0 || memchr(v.value, '\n', v.len) != NULL || strlen(key) != v.len) {
            free(key);
            free(text);
            return bad(f, "field authorized_keys holds something that is not one line");
        }
        if (!has_line(text, key)) {
            if (len > 0 && text[len - 1] != '\n')
                text[len++] = '\n';
            len += (size_t)sprintf(text + len, "%s\n", key);
            changed = true;
        }
        free(key);
    }
    int r = changed ? text_replace(path, text, len, 0600, f) : 0;
    free(text);
    if (!changed)
        set_mode(path, 0600, 0600);
    return r;
}

/* ---- environment ---- */

static int configure_env(struct fields fields, struct failure *f)
{
    struct field v;
    struct fields rest = fields;
    size_t count = 0, at = 0, bytes = 0;
    while (fields_next(&rest, &v) > 0)
        count += v.tag == 5;
    if (count == 0)
        return 0;
    char **list = calloc(count + 1, sizeof *list);
    bool ok = list != NULL;
    while (ok && fields_next(&fields, &v) > 0) {
        if (v.tag != 5 || v.len == 0) /* one empty entry empties the list */
            continue;
        bytes += v.len;
        list[at] = strndup((const char *)v.value, v.len);
        ok = list[at] != NULL && strlen(list[at]) == v.len && list[at][0] != '=' && strchr(list[at], '=') != NULL && bytes < 200000;
        at++;
    }
    char **old = ok ? agent.env : list;
    for (char **s = old; s != NULL && *s != NULL; s++)
        free(*s);
    free(old);
    if (!ok)
        return bad(f, "field env holds something that is not K=V");
    agent.env = list;
    return 0;
}

/* ---- identity and network ---- */

static int configure_machine_id(struct fields fields, struct failure *f)
{
    char id[34];
    int r = get_text(fields, 6, id, 33);
    if (r == 0)
        return 0;
    if (r < 0 || strlen(id) != 32 || strspn(id, "0123456789abcdef") != 32)
        return bad(f, "field machine_id is not 32 hexadecimal digits");
    strcat(id, "\n");
    return text_write("/etc/machine-id", id, 33, 0444, f);
}

static int configure_network(struct fields fields, struct failure *f)
{
    char address[64], gateway[64], interface[16] = "eth0";
    int has_address = get_text(fields, 7, address, sizeof address), has_gateway = get_text(fields, 8, gateway, sizeof gateway);
    if (has_address < 0)
        return bad(f, "field address is not acceptable");
    if (has_gateway < 0)
        return bad(f, "field gateway is not acceptable");
    int has_interface = get_text(fields, 9, interface, sizeof interface);
    if (has_interface < 0 || interface[0] == 0)
        return bad(f, "field interface is not acceptable");
    if (has_address == 0 && has_gateway == 0)
        return 0;
    if (has_address == 1 && address[0] == 0)
        return netconf_down(interface, f);
    return netconf_apply(interface, has_address ? address : NULL, has_gateway ? gateway : NULL, f);
}

static int configure_dns(struct fields fields, struct failure *f)
{
    struct field v;
    char text[2048], server[64];
    size_t len = 0;
    bool any = false;
    while (fields_next(&fields, &v) > 0) {
        if (v.tag != 10)
            continue;
        uint8_t parsed[16];
        any = true;
        if (v.len == 0) /* one empty entry: no resolver */
            continue;
        if (v.len >= sizeof server || len + v.len + 16 > sizeof text)
            return bad(f, "field dns is not acceptable");
        memcpy(server, v.value, v.len);
        server[v.len] = 0;
        if (inet_pton(AF_INET, server, parsed) != 1 && inet_pton(AF_INET6, server, parsed) != 1)
            return bad(f, "field dns is not an IP address");
        len += (size_t)sprintf(text + len, "nameserver %s\n", server);
    }
    /* Replaces a symlink too: it would lead to a resolver that is not configured for this network. */
    return any ? text_write("/etc/resolv.conf", text, len, 0644, f) : 0;
}

/* ---- files ---- */

static int configure_files(struct fields fields, struct failure *f)
{
    struct field v, content;
    char path[PATH_MAX];
    while (fields_next(&fields, &v) > 0) {
        if (v.tag != 11)
            continue;
        struct fields rec = {v.value, v.len};
        uint64_t mode = 0644;
        if (!fields_valid(rec) || get_text(rec, 1, path, sizeof path) != 1 || path[0] != '/' || get_int(rec, 3, &mode) < 0 || mode > 07777)
            return bad(f, "field files holds a record that is not acceptable");
        if (get_field(rec, 2, &content) == 0)
            content.len = 0;
        if (text_replace(path, content.value, content.len, (uint32_t)mode, f) != 0)
            return -1;
    }
    return 0;
}

void op_configure(struct stream *s, struct fields f)
{
    static const struct {
        int (*apply)(struct fields fields, struct failure *f);
        uint16_t first, last; /* tags */
        bool hosted;          /* harmless to the machine a test agent runs on */
    } parts[] = {
        {configure_time, 2, 2, false},       {configure_entropy, 3, 3, false}, {configure_machine_id, 6, 6, false},
        {configure_network, 7, 9, false},    {configure_dns, 10, 10, false},   {configure_keys, 4, 4, false},
        {configure_env, 5, 5, true},         {configure_files, 11, 11, true},  {configure_hostname, 1, 1, false},
    };
    struct failure failure;
    struct field v;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        for (uint16_t tag = parts[i].first; agent.role == ROLE_HOSTED && !parts[i].hosted && tag <= parts[i].last; tag++) {
            if (get_field(f, tag, &v) != 0) {
                stream_failf(s, ST_UNSUPPORTED, 0, "a hosted agent only takes the fields env and files");
                return;
            }
        }
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].apply(f, &failure) != 0) {
            stream_fail(s, &failure);
            return;
        }
    }
    if (agent.init_gate >= 0)
        close(agent.init_gate);
    agent.init_gate = -1;
    op_done(s);
}
