#include "ring.h"

#include <stdlib.h>
#include <string.h>

#define RING_FIRST 4096u

/* Grows towards RING_MAX only as output comes: most processes print little. False = no memory. */
static int ring_grow(struct ring *r, uint64_t need)
{
    uint32_t cap = r->cap != 0 ? r->cap : RING_FIRST;
    while (cap < need && cap < RING_MAX)
        cap *= 2;
    if (cap == r->cap)
        return 1;
    uint8_t *buf = malloc(cap);
    if (buf == NULL)
        return 0;
    for (uint64_t at = r->start; at < r->end;) {
        const uint8_t *p = NULL;
        size_t n = ring_peek(r, at, &p);
        uint32_t to = (uint32_t)(at & (cap - 1));
        if (n > cap - to)
            n = cap - to;
        memcpy(buf + to, p, n);
        at += n;
    }
    free(r->buf);
    r->buf = buf;
    r->cap = cap;
    return 1;
}

void ring_write(struct ring *r, const uint8_t *p, size_t n)
{
    if (!ring_grow(r, r->end - r->start + n) && r->cap == 0) {
        r->end += n;
        r->start = r->end;
        return;
    }
    if (n > r->cap) {
        p += n - r->cap;
        r->end += n - r->cap;
        n = r->cap;
    }
    while (n > 0) {
        uint32_t at = (uint32_t)(r->end & (r->cap - 1));
        size_t part = n < r->cap - at ? n : r->cap - at;
        memcpy(r->buf + at, p, part);
        p += part;
        n -= part;
        r->end += part;
    }
    if (r->end - r->start > r->cap)
        r->start = r->end - r->cap;
}

size_t ring_peek(const struct ring *r, uint64_t offset, const uint8_t **p)
{
    if (offset >= r->end || r->cap == 0)
        return 0;
    uint32_t at = (uint32_t)(offset & (r->cap - 1));
    uint64_t left = r->end - offset;
    *p = r->buf + at;
    return left < r->cap - at ? (size_t)left : r->cap - at;
}

void ring_drop(struct ring *r)
{
    free(r->buf);
    r->buf = NULL;
    r->cap = 0;
    r->start = r->end;
}
