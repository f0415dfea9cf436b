/* Whatever a guest sends: memory stays within bounds, nothing is invented, and no frame to this host's loopback gets out. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "netguard.h"

static bool nobody(uint32_t address)
{
    (void)address;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *out = malloc(size + 1); /* exactly as much as may be used, so that the sanitizer sees one byte too many */
    size_t len = 0;
    long used = guard_filter(data, size, out, &len, nobody);
    assert(used >= -1 && used <= (long)size && len <= size);
    for (size_t at = 0; at < len;) {
        size_t frame = (size_t)out[at] << 24 | (size_t)out[at + 1] << 16 | (size_t)out[at + 2] << 8 | out[at + 3];
        const uint8_t *ether = out + at + 4;
        assert(frame >= 34 && at + 4 + frame <= len);
        if (ether[12] == 8 && ether[13] == 0)
            assert(ether[30] != 127 && ether[30] != 0 && !(ether[30] == 169 && ether[31] == 254));
        at += 4 + frame;
    }
    free(out);
    return 0;
}
