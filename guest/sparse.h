/*
 * Files with holes, as GNU tar stores them in format 1.0: a map in front of the data says where each part belongs.
 * https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html
 */
#ifndef BANGER_SPARSE_H
#define BANGER_SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define SPARSE_BLOCK 512u
/* More parts than these are not read; a file that has more is stored whole from there on. */
#define SPARSE_MAX_PARTS 32768u

struct sparse_part {
    uint64_t offset, size;
};

struct sparse_map {
    struct sparse_part *parts;
    size_t count, room;
};

void sparse_free(struct sparse_map *m);

/* Bytes of all parts together. */
uint64_t sparse_stored(const struct sparse_map *m);

/* True if it is worth asking where the holes are. */
bool sparse_worth(const struct stat *st);

/* Fills an empty map with the data of an open file of `size` bytes; the offset is moved. 0 or -1 with errno. */
int sparse_find(struct sparse_map *m, int fd, uint64_t size);

/* The map as text, padded to blocks; the caller frees it. NULL without memory. */
char *sparse_text(const struct sparse_map *m, size_t *len);

/* Reads that text block by block. Starts zeroed. */
struct sparse_reader {
    struct sparse_map map;
    uint64_t number, count;
    unsigned digits;
    bool counted, sized;
};

/* 1 = the map is complete, 0 = more blocks, -1 = malformed or no memory. */
int sparse_read(struct sparse_reader *r, const uint8_t *block);

/* In order, apart, within `size`, and together `stored` bytes. */
bool sparse_valid(const struct sparse_map *m, uint64_t size, uint64_t stored);

#endif
