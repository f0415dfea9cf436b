/* The bytes of the guest protocol (docs/protocol.md): frame headers and fields. No I/O, no allocation. */
#ifndef BANGER_WIRE_H
#define BANGER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_GENERATION 1
#define FRAME_HEADER 12u
#define MAX_PAYLOAD 262144u
#define MAX_DATA 65536u
#define MAX_STREAMS 1024u
#define MAX_WINDOW (1u << 20)
#define INPUT_WINDOW 262144u /* credit the agent gives on channel 0 */
#define SYNC_MARK "\xff" "BANGER-SYNC-01\n"
#define SYNC_MARK_LEN 16u
#define SYNC_NONCE_LEN 16u

enum frame_type {
    FRAME_PADDING = 0,
    FRAME_HELLO = 1,
    FRAME_REQUEST = 2,
    FRAME_RESPONSE = 3,
    FRAME_DATA = 4,
    FRAME_CREDIT = 5,
    FRAME_EOF = 6,
    FRAME_EVENT = 7,
    FRAME_END = 8,
    FRAME_CANCEL = 9
};

enum channel { CHANNEL_IN = 0, CHANNEL_OUT = 1, CHANNEL_ERR = 2, CHANNELS = 3 };

enum event { EVENT_EXITED = 1, EVENT_TAKEN_OVER = 2, EVENT_FAILED = 3, EVENT_DONE = 4, EVENT_CHANGED = 5, EVENT_OVERFLOW = 6 };

struct frame_header {
    uint32_t length;
    uint32_t stream;
    uint8_t type;
    uint8_t channel;
    uint16_t reserved;
};

void put_u16(uint8_t *p, uint16_t v);
void put_u32(uint8_t *p, uint32_t v);
void put_u64(uint8_t *p, uint64_t v);
uint16_t get_u16(const uint8_t *p);
uint32_t get_u32(const uint8_t *p);
uint64_t get_u64(const uint8_t *p);

void frame_header_encode(uint8_t *p, const struct frame_header *h);
/* False when the header alone already violates the document (length, reserved bytes, a type that only agents send). */
bool frame_header_decode(const uint8_t *p, struct frame_header *h);

/* Writes fields into memory of the caller. Once something does not fit, `overflow` is set and nothing more is written. */
struct fields_out {
    uint8_t *buf;
    size_t len, cap;
    bool overflow;
};
void fields_begin(struct fields_out *o, void *buf, size_t cap);
void put_int(struct fields_out *o, uint16_t tag, uint64_t v);
void put_sint(struct fields_out *o, uint16_t tag, int64_t v);
void put_bool(struct fields_out *o, uint16_t tag, bool v);
void put_bytes(struct fields_out *o, uint16_t tag, const void *p, size_t len);
/* As put_bytes, with bytes that are not UTF-8 or are control characters replaced by '?', so that the type `str` is kept. */
void put_str(struct fields_out *o, uint16_t tag, const char *s);
/* A record: begin returns where it starts, end fills its length in. */
size_t rec_begin(struct fields_out *o, uint16_t tag);
void rec_end(struct fields_out *o, size_t start);

/* A list of fields as received; never owns memory. */
struct fields {
    const uint8_t *buf;
    size_t len;
};
struct field {
    uint16_t tag;
    const uint8_t *value;
    size_t len;
};
/* Takes the next field off the front. 1 = taken, 0 = the end, -1 = it does not fit (protocol violation). */
int fields_next(struct fields *f, struct field *out);
bool fields_valid(struct fields f);

/*
 * Typed access to the first field with `tag`: 1 = found, 0 = absent (the output is left alone), -1 = there but not of
 * that type. Callers therefore put the default into the output first.
 */
int get_field(struct fields f, uint16_t tag, struct field *out);
int get_int(struct fields f, uint16_t tag, uint64_t *out);
int get_sint(struct fields f, uint16_t tag, int64_t *out);
int get_bool(struct fields f, uint16_t tag, bool *out);
/* Copies bytes without NUL into `out` and terminates them; longer than cap - 1, or with NUL inside, is -1. */
int get_text(struct fields f, uint16_t tag, char *out, size_t cap);

#endif
