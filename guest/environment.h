/* The environment of started processes. */
#ifndef BANGER_ENVIRONMENT_H
#define BANGER_ENVIRONMENT_H

#include <stdbool.h>

#include "user.h"

struct environment {
    char **list; /* NULL terminated, owned */
    unsigned count, cap;
};

/* Sets `K=V` (copied), replacing an earlier K. False = no memory. */
bool environment_set(struct environment *e, const char *entry);
/* The base environment of a user, then `configure.env`. */
bool environment_base(struct environment *e, const struct user *u, bool pty);
void environment_free(struct environment *e);

#endif
