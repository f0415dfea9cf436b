#include "wire.h"

#include <string.h>

void put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

void put_u32(uint8_t *p, uint32_t v)
{
    put_u16(p, (uint16_t)v);
    put_u16(p + 2, (uint16_t)(v >> 16));
}

void put_u64(uint8_t *p, uint64_t v)
{
    put_u32(p, (uint32_t)v);
    put_u32(p + 4, (uint32_t)(v >> 32));
}

uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t get_u32(const uint8_t *p)
{
    return get_u16(p) | (uint32_t)get_u16(p + 2) << 16;
}

uint64_t get_u64(const uint8_t *p)
{
    return get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

void frame_header_encode(uint8_t *p, const struct frame_header *h)
{
    put_u32(p, h->length);
    put_u32(p + 4, h->stream);
    p[8] = h->type;
    p[9] = h->channel;
    put_u16(p + 10, h->reserved);
}

bool frame_header_decode(const uint8_t *p, struct frame_header *h)
{
    h->length = get_u32(p);
    h->stream = get_u32(p + 4);
    h->type = p[8];
    h->channel = p[9];
    h->reserved = get_u16(p + 10);
    if (h->length > MAX_PAYLOAD || h->reserved != 0)
        return false;
    switch (h->type) {
    case FRAME_PADDING:
        return h->length == 0 && h->stream == 0 && h->channel == 0;
    case FRAME_REQUEST:
        return h->stream != 0 && h->channel == 0 && h->length >= 2;
    case FRAME_DATA:
        return h->stream != 0 && h->channel == CHANNEL_IN && h->length >= 1 && h->length <= MAX_DATA;
    case FRAME_CREDIT:
        return h->stream != 0 && (h->channel == CHANNEL_OUT || h->channel == CHANNEL_ERR) && h->length == 4;
    case FRAME_EOF:
        return h->stream != 0 && h->channel == CHANNEL_IN && h->length == 0;
    case FRAME_CANCEL:
        return h->stream != 0 && h->channel == 0 && h->length == 0;
    default:
        return false;
    }
}

void fields_begin(struct fields_out *o, void *buf, size_t cap)
{
    *o = (struct fields_out){.buf = buf, .cap = cap};
}

/* Room for a field of `len` bytes with its tag and length written, or NULL. */
static uint8_t *put_field(struct fields_out *o, uint16_t tag, size_t len)
{
    if (o->overflow || o->cap - o->len < 6 || o->cap - o->len - 6 < len) {
        o->overflow = true;
        return NULL;
    }
    uint8_t *p = o->buf + o->len;
    put_u16(p, tag);
    put_u32(p + 2, (uint32_t)len);
    o->len += 6 + len;
    return p + 6;
}

void put_int(struct fields_out *o, uint16_t tag, uint64_t v)
{
    uint8_t *p = put_field(o, tag, 8);
    if (p != NULL)
        put_u64(p, v);
}

void put_sint(struct fields_out *o, uint16_t tag, int64_t v)
{
    put_int(o, tag, (uint64_t)v);
}

void put_bool(struct fields_out *o, uint16_t tag, bool v)
{
    uint8_t *p = put_field(o, tag, 1);
    if (p != NULL)
        *p = v;
}

void put_bytes(struct fields_out *o, uint16_t tag, const void *bytes, size_t len)
{
    uint8_t *p = put_field(o, tag, len);
    if (p != NULL && len != 0)
        memcpy(p, bytes, len);
}

/* Length of the UTF-8 sequence at `s` (at most `left` bytes), 0 when it is none. */
static size_t utf8_length(const uint8_t *s, size_t left)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

void put_str(struct fields_out *o, uint16_t tag, const char *s)
{
    size_t len = strlen(s);
    uint8_t *p = put_field(o, tag, len);
    if (p == NULL)
        return;
    memcpy(p, s, len);
    for (size_t i = 0; i < len;) {
        size_t n = utf8_length(p + i, len - i);
        if (n == 0 || p[i] < 0x20 || p[i] == 0x7f) {
            p[i] = '?';
            n = 1;
        }
        i += n;
    }
}

size_t rec_begin(struct fields_out *o, uint16_t tag)
{
    put_field(o, tag, 0);
    return o->len;
}

void rec_end(struct fields_out *o, size_t start)
{
    if (!o->overflow)
        put_u32(o->buf + start - 4, (uint32_t)(o->len - start));
}

int fields_next(struct fields *f, struct field *out)
{
    if (f->len == 0)
        return 0;
    if (f->len < 6)
        return -1;
    out->tag = get_u16(f->buf);
    out->len = get_u32(f->buf + 2);
    if (out->len > f->len - 6)
        return -1;
    out->value = f->buf + 6;
    f->buf += 6 + out->len;
    f->len -= 6 + out->len;
    return 1;
}

bool fields_valid(struct fields f)
{
    struct field field;
    int r;
    while ((r = fields_next(&f, &field)) > 0)
        ;
    return r == 0;
}

int get_field(struct fields f, uint16_t tag, struct field *out)
{
    struct field field;
    while (fields_next(&f, &field) > 0) {
        if (field.tag == tag) {
            *out = field;
            return 1;
        }
    }
    return 0;
}

int get_int(struct fields f, uint16_t tag, uint64_t *out)
{
    struct field field;
    if (get_field(f, tag, &field) == 0)
        return 0;
    if (field.len != 8)
        return -1;
    *out = get_u64(field.value);
    return 1;
}

int get_sint(struct fields f, uint16_t tag, int64_t *out)
{
    uint64_t v;
    int r = get_int(f, tag, &v);
    if (r == 1)
        *out = (int64_t)v;
    return r;
}

int get_bool(struct fields f, uint16_t tag, bool *out)
{
    struct field field;
    if (get_field(f, tag, &field) == 0)
        return 0;
    if (field.len != 1 || field.value[0] > 1)
        return -1;
    *out = field.value[0] == 1;
    return 1;
}

int get_text(struct fields f, uint16_t tag, char *out, size_t cap)
{
    struct field field;
    if (get_field(f, tag, &field) == 0)
        return 0;
    if (field.len >= cap || memchr(field.value, 0, field.len) != NULL)
        return -1;
    memcpy(out, field.value, field.len);
    out[field.len] = 0;
    return 1;
}
