#include "status.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A path in a message gets at most this many bytes, so that the reason behind it always fits. */
#define SHOWN_PATH_MAX 360

enum status status_from_errno(int err)
{
    switch (err) {
    case 0:
        return ST_OK;
    case ENOENT:
    case ESRCH:
        return ST_NOT_FOUND;
    case EACCES:
    case EPERM:
        return ST_PERMISSION;
    case EEXIST:
        return ST_EXISTS;
    case ENOTDIR:
        return ST_NOT_DIRECTORY;
    case EISDIR:
        return ST_IS_DIRECTORY;
    case ENOSPC:
    case EDQUOT:
        return ST_NO_SPACE;
    case EMFILE:
    case ENFILE:
        return ST_TOO_MANY;
    case ENOEXEC:
        return ST_NOT_EXECUTABLE;
    case ECONNREFUSED:
        return ST_REFUSED;
    case ENOSYS:
    case EOPNOTSUPP:
        return ST_UNSUPPORTED;
    case ENOTEMPTY:
        return ST_NOT_EMPTY;
    case EFBIG:
        return ST_TOO_LARGE;
    default:
        return ST_IO;
    }
}

static bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* Length of the well-formed, printable UTF-8 character at `s` (NUL terminated), 0 if there is none. */
static size_t printable_utf8(const unsigned char *s)
{
    if (s[0] < 0x80)
        return s[0] >= 0x20 && s[0] != 0x7f;
    if (s[0] >= 0xc2 && s[0] <= 0xdf && is_continuation(s[1]))
        return s[0] == 0xc2 && s[1] < 0xa0 ? 0 : 2; /* C1 control characters */
    if ((s[0] & 0xf0) == 0xe0 && is_continuation(s[1]) && is_continuation(s[2])) {
        bool overlong = s[0] == 0xe0 && s[1] < 0xa0;
        bool surrogate = s[0] == 0xed && s[1] > 0x9f;
        return overlong || surrogate ? 0 : 3;
    }
    if (s[0] >= 0xf0 && s[0] <= 0xf4 && is_continuation(s[1]) && is_continuation(s[2]) && is_continuation(s[3])) {
        bool overlong = s[0] == 0xf0 && s[1] < 0x90;
        bool too_high = s[0] == 0xf4 && s[1] > 0x8f;
        return overlong || too_high ? 0 : 4;
    }
    return 0;
}

/* Copies `text` into `out` (SHOWN_PATH_MAX + 4 bytes) with everything unprintable as \xNN, cut with "..." if long. */
static void show(char *out, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t used = 0;
    while (*s != 0) {
        size_t n = printable_utf8(s);
        if (used + (n ? n : 4) > SHOWN_PATH_MAX) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        if (n == 0) {
            used += (size_t)snprintf(out + used, 5, "\\x%02x", *s++);
            continue;
        }
        memcpy(out + used, s, n);
        used += n;
        s += n;
    }
    out[used] = 0;
}

int failure_set(struct failure *f, enum status status, int err, const char *path, const char *text)
{
    if (f == NULL)
        return -1;
    char shown[SHOWN_PATH_MAX + 4] = "";
    if (path != NULL)
        show(shown, path);
    f->status = status;
    f->err = err;
    snprintf(f->message, sizeof f->message, "%s%s%.140s", shown, path != NULL ? ": " : "", text);
    return -1;
}

int failure_errno(struct failure *f, int err, const char *what, const char *path)
{
    if (f == NULL)
        return -1;
    char shown[SHOWN_PATH_MAX + 4] = "";
    show(shown, path);
    f->status = status_from_errno(err);
    f->err = err;
    snprintf(f->message, sizeof f->message, "%.60s %s: %.80s", what, shown, strerror(err));
    return -1;
}
