/* Status numbers of the guest protocol, and how the agent's libraries report a failure. */
#ifndef BANGER_STATUS_H
#define BANGER_STATUS_H

enum status {
    ST_OK = 0,
    ST_BAD_REQUEST = 1,
    ST_UNKNOWN_OP = 2,
    ST_NOT_FOUND = 3,
    ST_PERMISSION = 4,
    ST_EXISTS = 5,
    ST_NOT_DIRECTORY = 6,
    ST_IS_DIRECTORY = 7,
    ST_NO_SPACE = 8,
    ST_TOO_MANY = 9,
    ST_NOT_EXECUTABLE = 10,
    ST_IO = 11,
    ST_REFUSED = 12,
    ST_UNSUPPORTED = 13,
    ST_INVALID_ARCHIVE = 14,
    ST_NOT_EMPTY = 15,
    ST_TOO_LARGE = 16
};

#define FAILURE_MESSAGE_MAX 512

/* Why something did not work: the fields of a failed RESPONSE or of EVENT `failed`. */
struct failure {
    enum status status;
    int err;                               /* errno, 0 if there is none */
    char message[FAILURE_MESSAGE_MAX + 1]; /* always valid UTF-8 without control characters */
};

/* The protocol's status for an errno value; ST_IO for everything without a number of its own. */
enum status status_from_errno(int err);

/*
 * Fills `f` with "<what> <path>: <strerror(err)>" and the status of `err`; returns -1 so that callers can write
 * `return failure_errno(...)`. `f` may be NULL. Bytes of `path` that are not printable UTF-8 are escaped, a long
 * path is cut with "...".
 */
int failure_errno(struct failure *f, int err, const char *what, const char *path);

/* Fills `f` with "<path>: <text>" (only the text when `path` is NULL); returns -1. `err` may be 0. */
int failure_set(struct failure *f, enum status status, int err, const char *path, const char *text);

#endif
