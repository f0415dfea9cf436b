#include "user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TABLE_MAX (1u << 20) /* of /etc/passwd or /etc/group is looked at */

/* The file as a string, or NULL. Missing files are normal in tiny images. */
static char *table_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    char *text = malloc(TABLE_MAX + 1);
    size_t len = 0;
    while (text != NULL && len < TABLE_MAX) {
        ssize_t n = read(fd, text + len, TABLE_MAX - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    close(fd);
    if (text != NULL)
        text[len] = 0;
    return text;
}

/* Splits the next line at `*rest` into `count` fields; false at the end. Lines with fewer fields have empty ones. */
static bool table_line(char **rest, char **field, int count)
{
    if (*rest == NULL || **rest == 0)
        return false;
    char *line = strsep(rest, "\n");
    static char empty[1];
    for (int i = 0; i < count; i++) {
        char *v = strsep(&line, ":");
        field[i] = v != NULL ? v : empty;
    }
    return true;
}

static bool number(const char *s, unsigned *out)
{
    char *end;
    if (*s < '0' || *s > '9')
        return false;
    errno = 0;
    unsigned long v = strtoul(s, &end, 10);
    if (errno != 0 || *end != 0 || v >= 0xffffffffu)
        return false;
    *out = (unsigned)v;
    return true;
}

/* Looks up by name or, when `spec` is a number and no such name exists, by uid. */
static bool passwd_find(char *text, const char *spec, bool by_number, unsigned id, struct user *out)
{
    char *rest = text, *v[7];
    unsigned uid, gid;
    while (table_line(&rest, v, 7)) {
        if (v[0][0] == 0 || !number(v[2], &uid) || !number(v[3], &gid))
            continue;
        if (by_number ? uid != id : strcmp(v[0], spec) != 0)
            continue;
        out->uid = uid;
        out->gid = gid;
        snprintf(out->name, sizeof out->name, "%s", v[0]);
        snprintf(out->home, sizeof out->home, "%s", v[5][0] == '/' ? v[5] : "/");
        snprintf(out->shell, sizeof out->shell, "%s", v[6][0] == '/' ? v[6] : "/bin/sh");
        return true;
    }
    return false;
}

static bool group_find(const char *spec, gid_t *out)
{
    char *text = table_read("/etc/group"), *rest = text, *v[4];
    unsigned gid;
    bool found = false;
    while (!found && table_line(&rest, v, 4)) {
        found = strcmp(v[0], spec) == 0 && number(v[2], &gid);
        if (found)
            *out = gid;
    }
    free(text);
    if (!found && number(spec, &gid)) {
        *out = gid;
        found = true;
    }
    return found;
}

static void supplementary_groups(struct user *u)
{
    char *text = table_read("/etc/group"), *rest = text, *v[4];
    unsigned gid;
    while (u->group_count < USER_GROUPS && table_line(&rest, v, 4)) {
        if (!number(v[2], &gid))
            continue;
        for (char *member; (member = strsep(&v[3], ",")) != NULL;) {
            if (strcmp(member, u->name) == 0) {
                u->groups[u->group_count++] = gid;
                break;
            }
        }
    }
    free(text);
}

int user_lookup(const char *spec, struct user *out, struct failure *f)
{
    char name[256];
    unsigned id = getuid();
    memset(out, 0, sizeof *out);
    if (strlen(spec) >= sizeof name)
        return failure_set(f, ST_BAD_REQUEST, 0, NULL, "the user name is too long");
    snprintf(name, sizeof name, "%s", spec);
    char *group = strchr(name, ':');
    if (group != NULL)
        *group++ = 0;
    bool self = name[0] == 0;

    char *text = table_read("/etc/passwd"), *copy = text != NULL ? strdup(text) : NULL;
    bool found = !self && text != NULL && passwd_find(text, name, false, 0, out);
    bool numeric = self || number(name, &id);
    if (!found && numeric && copy != NULL)
        found = passwd_find(copy, name, true, id, out);
    free(text);
    free(copy);
    bool root = numeric ? id == 0 : strcmp(name, "root") == 0;
    if (!found && !numeric && !root)
        return failure_set(f, ST_NOT_FOUND, 0, name, "no such user in /etc/passwd");
    if (!found) {
        out->uid = root ? 0 : id;
        out->gid = self ? getgid() : 0;
        snprintf(out->name, sizeof out->name, root ? "root" : "%u", id);
        snprintf(out->home, sizeof out->home, root ? "/root" : "/");
        snprintf(out->shell, sizeof out->shell, "/bin/sh");
    }
    /* An explicit group stands for itself, as with other container tools: no supplementary groups then. */
    if (group != NULL && group[0] != 0) {
        if (!group_find(group, &out->gid))
            return failure_set(f, ST_NOT_FOUND, 0, group, "no such group in /etc/group");
    } else {
        supplementary_groups(out);
    }
    return 0;
}
