#include "sparse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORTH_FROM 65536
#define MAX_DIGITS 18u
#define LINE_MAX 24u /* a number of 64 bits and a newline */

void sparse_free(struct sparse_map *m)
{
    free(m->parts);
    *m = (struct sparse_map){0};
}

uint64_t sparse_stored(const struct sparse_map *m)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < m->count; i++)
        sum += m->parts[i].size;
    return sum;
}

bool sparse_worth(const struct stat *st)
{
    return st->st_size >= WORTH_FROM && (uint64_t)st->st_blocks * 512 < (uint64_t)st->st_size;
}

static int add_part(struct sparse_map *m, uint64_t offset, uint64_t size)
{
    if (m->count == m->room) {
        size_t room = m->room ? m->room * 2 : 16;
        struct sparse_part *parts = realloc(m->parts, room * sizeof *parts);
        if (parts == NULL) {
            errno = ENOMEM;
            return -1;
        }
        m->parts = parts;
        m->room = room;
    }
    m->parts[m->count++] = (struct sparse_part){offset, size};
    return 0;
}

int sparse_find(struct sparse_map *m, int fd, uint64_t size)
{
    uint64_t at = 0;
    while (at < size) {
        off_t data = lseek(fd, (off_t)at, SEEK_DATA);
        if (data < 0 && errno != ENXIO)
            return -1;
        if (data < 0 || (uint64_t)data >= size) /* a hole up to the end: told by an empty part there */
            return add_part(m, size, 0);
        off_t hole = m->count + 2 < SPARSE_MAX_PARTS ? lseek(fd, data, SEEK_HOLE) : (off_t)size;
        if (hole < 0)
            return -1;
        uint64_t end = (uint64_t)hole < size ? (uint64_t)hole : size;
        if (end <= (uint64_t)data || add_part(m, (uint64_t)data, end - (uint64_t)data) != 0)
            return -1;
        at = end;
    }
    return 0;
}

char *sparse_text(const struct sparse_map *m, size_t *len)
{
    size_t room = (1 + 2 * m->count) * LINE_MAX + SPARSE_BLOCK;
    char *text = calloc(1, room);
    if (text == NULL)
        return NULL;
    size_t n = (size_t)snprintf(text, room, "%zu\n", m->count);
    for (size_t i = 0; i < m->count; i++)
        n += (size_t)snprintf(text + n, room - n, "%" PRIu64 "\n%" PRIu64 "\n", m->parts[i].offset, m->parts[i].size);
    *len = (n + SPARSE_BLOCK - 1) / SPARSE_BLOCK * SPARSE_BLOCK;
    return text;
}

/* A number is complete: the count, then offsets and sizes in turn. */
static int take_number(struct sparse_reader *r)
{
    uint64_t number = r->number;
    r->number = 0;
    r->digits = 0;
    if (!r->counted) {
        r->counted = true;
        r->count = number;
        return number <= SPARSE_MAX_PARTS ? 0 : -1;
    }
    if (r->sized) {
        r->sized = false;
        r->map.parts[r->map.count - 1].size = number;
        return 0;
    }
    r->sized = true;
    return add_part(&r->map, number, 0);
}

int sparse_read(struct sparse_reader *r, const uint8_t *block)
{
    for (size_t i = 0; i < SPARSE_BLOCK; i++) {
        if (block[i] >= '0' && block[i] <= '9') {
            if (++r->digits > MAX_DIGITS)
                return -1;
            r->number = r->number * 10 + (block[i] - '0');
            continue;
        }
        if (block[i] != '\n' || r->digits == 0 || take_number(r) != 0)
            return -1;
        if (r->counted && !r->sized && r->map.count == r->count)
            return 1;
    }
    return 0;
}

bool sparse_valid(const struct sparse_map *m, uint64_t size, uint64_t stored)
{
    uint64_t end = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct sparse_part *p = &m->parts[i];
        if (p->offset < end || p->offset > size || p->size > size - p->offset)
            return false;
        end = p->offset + p->size;
    }
    return sparse_stored(m) == stored;
}
