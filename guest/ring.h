/* The newest bytes of an output, addressed by their absolute offset since the process started. */
#ifndef BANGER_RING_H
#define BANGER_RING_H

#include <stddef.h>
#include <stdint.h>

#define RING_MAX 262144u

struct ring {
    uint8_t *buf;
    uint32_t cap;
    uint64_t start, end; /* offsets of the oldest byte kept and of the next byte to come */
};

void ring_write(struct ring *r, const uint8_t *p, size_t n);
/* Contiguous bytes from `offset` on (start <= offset <= end); 0 at the end. */
size_t ring_peek(const struct ring *r, uint64_t offset, const uint8_t **p);
/* Forgets the bytes, keeps the offsets. */
void ring_drop(struct ring *r);

#endif
