/* The archive reader against any bytes, extracting into an empty directory of its own. */
#include <stdio.h>
#include <stdlib.h>

#include "fsops.h"
#include "tar_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char dir[64];
    if (size < 1)
        return 0;
    snprintf(dir, sizeof dir, "/tmp/fuzz-tar-in.XXXXXX");
    if (mkdtemp(dir) == NULL)
        abort();
    struct tar_in_options options = {.keep_owner = false, .skip_devices = true};
    struct tar_in *t = tar_in_open(dir, &options, NULL);
    if (t == NULL)
        abort();
    size_t step = (size_t)data[0] * 8 + 1;
    for (size_t at = 1; at < size; at += step)
        if (tar_in_push(t, data + at, size - at < step ? size - at : step) != 0)
            break;
    tar_in_finish(t);
    tar_in_close(t);
    fs_remove(dir, true, true, NULL);
    return 0;
}
