/*
 * The archive reader against any bytes, extracting into an empty directory of its own. The first byte is a seed: the
 * size of the pieces, whether checksums are put right (or nothing behind the first header would ever be reached), and
 * the options.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsops.h"
#include "tar_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *copy_of(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size);
    if (copy == NULL)
        abort();
    return memcpy(copy, data, size);
}

/* Every block that looks like a header gets the right checksum. */
static void fix_checksums(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + 512 <= size; at += 512) {
        uint8_t *h = bytes + at;
        unsigned sum = 0;
        if (memcmp(h + 257, "ustar", 5) != 0)
            continue;
        memset(h + 148, ' ', 8);
        for (int i = 0; i < 512; i++)
            sum += h[i];
        snprintf((char *)h + 148, 8, "%06o", sum & 0777777);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char dir[64];
    if (size < 2)
        return 0;
    const uint8_t seed = data[0];
    size--;
    uint8_t *bytes = copy_of(data + 1, size);
    if (seed & 1)
        fix_checksums(bytes, size);
    snprintf(dir, sizeof dir, "/tmp/fuzz-tar-in.XXXXXX");
    if (mkdtemp(dir) == NULL)
        abort();
    struct tar_in_options options = {.keep_owner = (seed & 2) != 0, .skip_devices = true};
    struct tar_in *t = tar_in_open(dir, &options, NULL);
    if (t == NULL)
        abort();
    size_t step = (size_t)(seed >> 2) * 32 + 1;
    for (size_t at = 0; at < size; at += step)
        if (tar_in_push(t, bytes + at, size - at < step ? size - at : step) != 0)
            break;
    tar_in_finish(t);
    tar_in_close(t);
    fs_remove(dir, true, true, NULL);
    free(bytes);
    return 0;
}
