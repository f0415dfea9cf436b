#include "ops.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "agent.h"

static const struct {
    uint16_t op;
    op_handler *handler;
} table[] = {
    {OP_PROC_START, op_proc_start},
    {OP_PROC_LIST, op_proc_list},
    {OP_PROC_ATTACH, op_proc_attach},
    {OP_PROC_SIGNAL, op_proc_signal},
    {OP_PROC_RESIZE, op_proc_resize},
    {OP_FILE_STAT, op_file_stat},
    {OP_FILE_LIST, op_file_list},
    {OP_FILE_READ, op_file_read},
    {OP_FILE_WRITE, op_file_write},
    {OP_FILE_MKDIR, op_file_mkdir},
    {OP_FILE_MOVE, op_file_move},
    {OP_FILE_REMOVE, op_file_remove},
    {OP_TAR_OUT, op_tar_out},
    {OP_TAR_IN, op_tar_in},
    {OP_FILE_WATCH, op_file_watch},
    {OP_CONNECT, op_connect},
    {OP_LISTENERS, op_listeners},
    {OP_CONFIGURE, op_configure},
    {OP_STATS, op_stats},
    {OP_GROW, op_grow},
    {OP_SYNC, op_sync},
    {OP_POWEROFF, op_poweroff},
    {OP_WAIT_SYSTEM, op_wait_system},
    {OP_RENEW, op_renew},
};

#define TABLE_LEN (sizeof table / sizeof table[0])

void op_bad_field(struct stream *s, const char *field)
{
    stream_failf(s, ST_BAD_REQUEST, 0, "field %s is missing or not acceptable", field);
}

void op_done(struct stream *s)
{
    stream_ok(s, NULL);
    stream_end(s);
}

void ops_request(struct stream *s, uint16_t op, struct fields f)
{
    for (size_t i = 0; i < TABLE_LEN; i++) {
        if (table[i].op == op) {
            table[i].handler(s, f);
            return;
        }
    }
    stream_failf(s, ST_UNKNOWN_OP, 0, "operation %u is not known to this agent", op);
}

static void first_line(const char *path, char *buf, int cap)
{
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(buf, cap, file) == NULL)
        buf[0] = 0;
    buf[strcspn(buf, "\n")] = 0;
    if (file != NULL)
        fclose(file);
}

void ops_hello(struct fields_out *o, uint64_t session)
{
    /* Neither changes while this agent runs, and to ask again is half of what a restored machine does before it answers. */
    static char boot_id[64];
    static struct utsname name;
    if (boot_id[0] == 0)
        first_line("/proc/sys/kernel/random/boot_id", boot_id, sizeof boot_id);
    if (name.release[0] == 0)
        uname(&name);
    put_int(o, 1, WIRE_GENERATION);
    put_str(o, 2, BANGER_VERSION);
    put_str(o, 3, boot_id);
    put_str(o, 4, name.release);
    put_str(o, 5, role_name(agent.role));
    put_int(o, 6, agent.init_ns);
    put_int(o, 7, agent.root_ns);
    put_int(o, 8, agent.ready_ns);
    put_int(o, 9, session);
    for (size_t i = 0; i < TABLE_LEN; i++)
        put_int(o, 10, table[i].op);
}
