/* Writes what arrives on channel 0 into a descriptor that may be slow: at most INPUT_WINDOW bytes wait. */
#ifndef BANGER_SINK_H
#define BANGER_SINK_H

#include "loop.h"
#include "mux.h"

struct sink {
    struct source src;
    uint8_t *buf;
    uint32_t off, len;
    bool eof;               /* close (or call `finish`) once everything is written */
    struct stream *stream;  /* gets the credit back; NULL while nobody is attached */
    void (*finish)(struct sink *s); /* instead of closing at the end of input */
};

void sink_init(struct sink *s, int fd);
void sink_write(struct sink *s, const uint8_t *p, size_t n);
void sink_eof(struct sink *s);
/* Bytes not written yet: a new stream gets that much less credit. */
uint32_t sink_pending(const struct sink *s);
void sink_close(struct sink *s);

#endif
