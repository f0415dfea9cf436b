/*
 * The whole input side of the mux: sync, frames, credit, streams. Operations are stand-ins that touch nothing outside.
 * The first byte of the input chooses whether a sync is put in front; the rest is cut into reads of odd sizes.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void echo_data(struct stream *s, const uint8_t *p, size_t len)
{
    size_t room = stream_can_send(s, CHANNEL_OUT);
    stream_send(s, CHANNEL_OUT, p, len < room ? len : room);
    stream_consumed(s, len);
}

static void echo_eof(struct stream *s)
{
    stream_eof(s, CHANNEL_OUT);
    stream_event(s, EVENT_DONE, NULL);
    stream_end(s);
}

static bool fill_pump(struct stream *s)
{
    size_t room = stream_can_send(s, CHANNEL_ERR);
    memset(stream_buffer(s), 7, room);
    stream_send_buffer(s, CHANNEL_ERR, room);
    return s->credit[CHANNEL_ERR] != 0;
}

static const struct stream_ops echo = {.data = echo_data, .eof = echo_eof};
static const struct stream_ops fill = {.pump = fill_pump, .cancel = stream_end};
static const struct stream_ops silent = {0};

static void request(struct stream *s, uint16_t op, struct fields f)
{
    uint64_t v = 0;
    if (get_int(f, 1, &v) < 0) {
        stream_failf(s, ST_BAD_REQUEST, 0, "bad");
        return;
    }
    s->ops = op % 3 == 0 ? &echo : op % 3 == 1 ? &fill : &silent;
    stream_ok(s, NULL);
    stream_accept_input(s, INPUT_WINDOW);
}

static void hello(struct fields_out *o, uint64_t session)
{
    put_int(o, 1, WIRE_GENERATION);
    put_int(o, 9, session);
}

static void feed(struct mux *m, const uint8_t *p, size_t len, size_t step)
{
    static int null = -1;
    if (null < 0)
        null = open("/dev/null", O_WRONLY);
    while (len > 0) {
        uint8_t *to;
        size_t room = mux_input_space(m, &to), n = len < step ? len : step;
        if (n > room)
            n = room;
        memcpy(to, p, n);
        mux_input(m, n);
        p += n;
        len -= n;
        mux_pump(m);
        mux_flush(m, null);
        mux_resume(m);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mux_config config = {.request = request, .hello = hello};
    static const uint8_t nonce[SYNC_NONCE_LEN] = {1};
    if (size < 2)
        return 0;
    struct mux *m = mux_new(&config);
    if (data[0] & 1) {
        feed(m, (const uint8_t *)SYNC_MARK, SYNC_MARK_LEN, 5);
        feed(m, nonce, sizeof nonce, 16);
    }
    feed(m, data + 2, size - 2, (size_t)data[1] + 1);
    mux_free(m);
    return 0;
}
