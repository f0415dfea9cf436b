/* Operation handlers. Each takes over the stream: it must answer it, at once or later. */
#ifndef BANGER_OPS_H
#define BANGER_OPS_H

#include "mux.h"

enum op {
    OP_PROC_START = 1,
    OP_PROC_LIST = 2,
    OP_PROC_ATTACH = 3,
    OP_PROC_SIGNAL = 4,
    OP_PROC_RESIZE = 5,
    OP_FILE_STAT = 10,
    OP_FILE_LIST = 11,
    OP_FILE_READ = 12,
    OP_FILE_WRITE = 13,
    OP_FILE_MKDIR = 14,
    OP_FILE_MOVE = 15,
    OP_FILE_REMOVE = 16,
    OP_TAR_OUT = 17,
    OP_TAR_IN = 18,
    OP_FILE_WATCH = 19,
    OP_CONNECT = 30,
    OP_LISTENERS = 31,
    OP_CONFIGURE = 40,
    OP_STATS = 41,
    OP_GROW = 42,
    OP_SYNC = 43,
    OP_POWEROFF = 44,
    OP_WAIT_SYSTEM = 45,
    OP_RENEW = 46
};

typedef void op_handler(struct stream *s, struct fields f);

op_handler op_proc_start, op_proc_list, op_proc_attach, op_proc_signal, op_proc_resize;
op_handler op_file_stat, op_file_list, op_file_read, op_file_write, op_file_mkdir, op_file_move, op_file_remove, op_tar_out,
    op_tar_in, op_file_watch;
op_handler op_connect, op_listeners;
op_handler op_configure, op_stats, op_grow, op_sync, op_poweroff, op_wait_system, op_renew;

/* mux_config's functions. */
void ops_request(struct stream *s, uint16_t op, struct fields f);
void ops_hello(struct fields_out *o, uint64_t session);

/* Answers bad_request naming the field; for handlers that return right after. */
void op_bad_field(struct stream *s, const char *field);
struct fs_entry;
/* Path field `tag` into `out` (PATH_MAX bytes); false = answered with bad_request. */
bool op_path(struct stream *s, struct fields f, uint16_t tag, const char *field, char *out);
/* Answers with record `entry`; the stream goes on. */
void op_answer_entry(struct stream *s, const struct fs_entry *e);
/* Answers ok without fields, and ends. */
void op_done(struct stream *s);

#endif
