/* Frame header and fields decoders against any bytes; what decodes must encode to the same bytes again. */
#include <stdlib.h>
#include <string.h>

#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void header(const uint8_t *data)
{
    struct frame_header h;
    uint8_t again[FRAME_HEADER];
    if (!frame_header_decode(data, &h))
        return;
    frame_header_encode(again, &h);
    if (h.length > MAX_PAYLOAD || memcmp(again, data, FRAME_HEADER) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= FRAME_HEADER)
        header(data);
    struct fields f = {data, size};
    struct field v;
    uint8_t *copy = malloc(size + 1);
    struct fields_out o;
    fields_begin(&o, copy, size);
    bool valid = fields_valid(f);
    while (fields_next(&f, &v) > 0)
        put_bytes(&o, v.tag, v.value, v.len);
    if (valid && (o.overflow || o.len != size || memcmp(copy, data, size) != 0))
        abort();
    struct fields whole = {data, size};
    uint64_t i = 0;
    int64_t si = 0;
    bool b = false;
    char text[64];
    for (uint16_t tag = 0; tag < 8; tag++) {
        get_int(whole, tag, &i);
        get_sint(whole, tag, &si);
        get_bool(whole, tag, &b);
        if (get_text(whole, tag, text, sizeof text) == 1 && strlen(text) >= sizeof text)
            abort();
    }
    fields_begin(&o, copy, size);
    memcpy(text, data, size < 63 ? size : 63);
    text[size < 63 ? size : 63] = 0;
    put_str(&o, 1, text);
    free(copy);
    return 0;
}
