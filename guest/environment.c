#include "environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"

bool environment_set(struct environment *e, const char *entry)
{
    char *copy = strdup(entry);
    if (copy == NULL)
        return false;
    size_t key = strcspn(entry, "=") + 1;
    for (unsigned i = 0; i < e->count; i++) {
        if (strncmp(e->list[i], entry, key) == 0) {
            free(e->list[i]);
            e->list[i] = copy;
            return true;
        }
    }
    if (e->count + 1 >= e->cap) {
        unsigned cap = e->cap != 0 ? e->cap * 2 : 32;
        char **list = realloc(e->list, cap * sizeof *list);
        if (list == NULL) {
            free(copy);
            return false;
        }
        e->list = list;
        e->cap = cap;
    }
    e->list[e->count++] = copy;
    e->list[e->count] = NULL;
    return true;
}

static bool set_pair(struct environment *e, const char *key, const char *value)
{
    char entry[1200];
    snprintf(entry, sizeof entry, "%s=%s", key, value);
    return environment_set(e, entry);
}

bool environment_base(struct environment *e, const struct user *u, bool pty)
{
    bool ok = environment_set(e, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") &&
              set_pair(e, "HOME", u->home) && set_pair(e, "USER", u->name) && set_pair(e, "LOGNAME", u->name) &&
              set_pair(e, "SHELL", u->shell) && environment_set(e, "LANG=C.UTF-8") &&
              (!pty || environment_set(e, "TERM=xterm"));
    for (char **v = agent.env; ok && v != NULL && *v != NULL; v++)
        ok = environment_set(e, *v);
    return ok;
}

void environment_free(struct environment *e)
{
    for (unsigned i = 0; i < e->count; i++)
        free(e->list[i]);
    free(e->list);
    *e = (struct environment){0};
}
