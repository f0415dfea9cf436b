/*
 * Sessions and streams of the guest protocol, on top of any byte stream. The mux knows nothing of operations: it hands
 * each REQUEST to a function and calls a stream's `stream_ops` afterwards. There is one mux per agent.
 */
#ifndef BANGER_MUX_H
#define BANGER_MUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"
#include "wire.h"

/* Above this much unsent output nobody may produce more; input stops at four times as much (answers have no credit). */
#define OUT_HIGH (512u * 1024)
#define OUT_HARD (4 * OUT_HIGH)

struct mux;
struct stream;

/* Any member may be NULL. */
struct stream_ops {
    /* Channel 0. What is taken must be acknowledged by stream_consumed, at once or later. */
    void (*data)(struct stream *s, const uint8_t *p, size_t len);
    void (*eof)(struct stream *s);
    /* CANCEL: has to lead to stream_end, at once or later. Without it the stream just ends. */
    void (*cancel)(struct stream *s);
    /* The session is gone; the stream is freed right after. Nothing can be sent any more. */
    void (*lost)(struct stream *s);
    /* There is credit or room again. Sends at most a chunk; true = call again, there is more that could be sent now. */
    bool (*pump)(struct stream *s);
};

struct stream {
    struct mux *mux;
    struct stream *hash_next;
    struct stream *ready_next, *ready_prev;
    uint32_t id;
    uint32_t credit[CHANNELS]; /* what the host allows on 1 and 2 */
    uint32_t window;           /* what the host may still send on 0 */
    uint32_t consumed;         /* taken on 0 and not yet given back as credit */
    bool ready, responded, in_eof, out_eof[CHANNELS];
    const struct stream_ops *ops;
    void *ctx;
};

struct mux_config {
    void (*request)(struct stream *s, uint16_t op, struct fields f);
    /* Puts the fields of HELLO. */
    void (*hello)(struct fields_out *o, uint64_t session);
};

struct mux *mux_new(const struct mux_config *config);
void mux_free(struct mux *m);

/* Where received bytes go (never 0 bytes of room, unless the input is blocked by unsent output), and how many came. */
size_t mux_input_space(struct mux *m, uint8_t **p);
void mux_input(struct mux *m, size_t n);
bool mux_input_blocked(const struct mux *m);
/* Parses what stayed in the buffer while input was blocked. */
void mux_resume(struct mux *m);

/* The connection is gone or is another one: all streams are lost, the next bytes start with a sync. */
void mux_reset(struct mux *m);

/* Lets ready streams produce; true when at least one could go on right now. */
bool mux_pump(struct mux *m);

/* Writes queued output: 1 = all written, 0 = the descriptor takes no more now, -1 = it is broken (errno). */
int mux_flush(struct mux *m, int fd);
bool mux_has_output(const struct mux *m);

/* Sending. All are no-ops on a stream whose turn it is not (e.g. data after EOF is dropped). */
void stream_ok(struct stream *s, const struct fields_out *fields); /* NULL = no fields */
/* Failed RESPONSE and END: `s` is gone afterwards. */
void stream_fail(struct stream *s, const struct failure *f);
void stream_failf(struct stream *s, enum status status, int err, const char *format, ...) __attribute__((format(printf, 4, 5)));
void stream_event(struct stream *s, enum event e, const struct fields_out *fields);
/* EVENT failed and END: `s` is gone afterwards. */
void stream_failed(struct stream *s, const struct failure *f, const uint64_t *entries);
void stream_eof(struct stream *s, enum channel c);
void stream_end(struct stream *s); /* frees `s` */

/* Opens channel 0: gives the host its first credit. */
void stream_accept_input(struct stream *s, uint32_t window);
void stream_consumed(struct stream *s, size_t n);

/* How many bytes of DATA may be sent on `c` now (0 … MAX_DATA): credit and room in the queue. */
size_t stream_can_send(const struct stream *s, enum channel c);
/* MAX_DATA bytes to read into; valid until the next call of the mux. */
uint8_t *stream_buffer(struct stream *s);
/* Sends the first `n` bytes of stream_buffer as DATA. */
void stream_send_buffer(struct stream *s, enum channel c, size_t n);
void stream_send(struct stream *s, enum channel c, const void *p, size_t n);
/* Whether EVENT frames, which need no credit, may be produced now; the pump is called when they may again. */
bool stream_queue_free(const struct stream *s);
/* Asks for a pump call. */
void stream_ready(struct stream *s);

#endif
