#include "disks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"

#define VIRTIO_BLOCK 2

int disks_listen(void)
{
    struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_groups = 1};
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void read_line(const char *path, char *buf, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, buf, cap - 1) : 0;
    if (fd >= 0)
        close(fd);
    buf[n > 0 ? n : 0] = 0;
    buf[strcspn(buf, "\n")] = 0;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* False while a virtio block device has no disk yet: the optional ones are only known to be absent after that. */
static bool all_probed(void)
{
    DIR *dir = opendir("/sys/bus/virtio/devices");
    bool all = true;
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        char path[400], text[32];
        unsigned kind;
        snprintf(path, sizeof path, "/sys/bus/virtio/devices/%s/device", e->d_name);
        if (e->d_name[0] == '.')
            continue;
        read_line(path, text, sizeof text);
        snprintf(path, sizeof path, "/sys/bus/virtio/devices/%s/block", e->d_name);
        if (sscanf(text, "%x", &kind) == 1 && kind == VIRTIO_BLOCK && !exists(path))
            all = false;
    }
    if (dir != NULL)
        closedir(dir);
    return all;
}

static void take_by_serial(struct disks *found)
{
    for (char letter = 'a'; letter <= 'z'; letter++) {
        char path[64], serial[64];
        snprintf(path, sizeof path, "/sys/block/vd%c/serial", letter);
        read_line(path, serial, sizeof serial);
        char *to = strcmp(serial, "base") == 0      ? found->base
                   : strcmp(serial, "state") == 0   ? found->state
                   : strcmp(serial, "modules") == 0 ? found->modules
                                                    : NULL;
        if (to != NULL)
            snprintf(to, DISK_PATH, "/dev/vd%c", letter);
    }
}

/* Firecracker gives its drives serials of its own, but keeps the order in which they were configured. */
static void take_by_order(struct disks *found)
{
    char *to[] = {found->base, found->state, found->modules};
    for (int i = 0; i < 3; i++) {
        char path[DISK_PATH];
        snprintf(path, sizeof path, "/dev/vd%c", 'a' + i);
        if (exists(path))
            strcpy(to[i], path);
    }
}

static bool look(struct disks *found)
{
    memset(found, 0, sizeof *found);
    bool complete = all_probed();
    take_by_serial(found);
    if (found->base[0] == 0 && found->state[0] == 0 && complete)
        take_by_order(found);
    return complete && found->base[0] != 0 && found->state[0] != 0 && exists(found->base) && exists(found->state);
}

const char *disks_driver_missing(void)
{
    static const char *const drivers[][2] = {{"virtio_mmio", "/sys/bus/platform/drivers/virtio-mmio"},
                                             {"virtio_blk", "/sys/bus/virtio/drivers/virtio_blk"}};
    for (unsigned i = 0; i < 2; i++)
        if (!exists(drivers[i][1]))
            return drivers[i][0];
    return NULL;
}

int disks_wait(int uevents, unsigned seconds, struct disks *found)
{
    uint64_t end = now_ns() + seconds * 1000000000ull;
    while (!look(found)) {
        uint64_t now = now_ns();
        struct pollfd p = {.fd = uevents, .events = POLLIN};
        if (now >= end || poll(&p, 1, (int)((end - now) / 1000000 + 1)) < 0) {
            errno = 0;
            return -1;
        }
        char event[4096];
        while (recv(uevents, event, sizeof event, 0) > 0)
            ;
    }
    return 0;
}
