#include "root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "console.h"

/* A directory at `path`, which may be a symlink to one. */
static bool directory(const char *path, mode_t mode)
{
    struct stat st;
    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode);
    return mkdir(path, mode) == 0;
}

static void mount_quietly(const char *type, const char *at, mode_t mode, unsigned long flags, const char *options)
{
    if (!directory(at, mode) || (mount(type, at, type, flags, options) != 0 && errno != EBUSY))
        console_say("mount %s on %s: %s", type, at, strerror(errno));
}

void root_mount_kernel(void)
{
    mount_quietly("proc", "/proc", 0555, MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount_quietly("sysfs", "/sys", 0555, MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount_quietly("devtmpfs", "/dev", 0755, MS_NOSUID, "mode=0755");
}

static void mount_overlay(const struct disks *d)
{
    mkdir("/base", 0755);
    mkdir("/state", 0755);
    mkdir("/newroot", 0755);
    if (mount(d->base, "/base", "squashfs", MS_RDONLY, NULL) != 0)
        console_fatal("mount base image %s", d->base);
    if (mount(d->state, "/state", "ext4", MS_NOATIME, NULL) != 0)
        console_fatal("mount state disk %s", d->state);
    if ((mkdir("/state/upper", 0755) != 0 && errno != EEXIST) || (mkdir("/state/work", 0755) != 0 && errno != EEXIST))
        console_fatal("prepare state disk %s", d->state);
    if (mount("overlay", "/newroot", "overlay", 0, "lowerdir=/base,upperdir=/state/upper,workdir=/state/work") != 0)
        console_fatal("mount overlay of base image and state disk");
}

/* Gives the initramfs's memory back. Stays on its own filesystem: by now everything else is mounted elsewhere. */
static void remove_tree(int dir_fd, dev_t dev, int depth)
{
    DIR *dir = fdopendir(dir_fd);
    if (dir == NULL) {
        close(dir_fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_dev != dev)
            continue;
        if (S_ISDIR(st.st_mode)) {
            int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (fd >= 0 && depth < 16)
                remove_tree(fd, dev, depth + 1);
            else if (fd >= 0)
                close(fd);
        }
        unlinkat(dirfd(dir), e->d_name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
    }
    closedir(dir);
}

static void switch_root(void)
{
    struct stat st;
    int old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (old < 0 || fstat(old, &st) != 0)
        console_fatal("open the initramfs");
    umount2("/proc", MNT_DETACH);
    umount2("/sys", MNT_DETACH);
    umount2("/dev", MNT_DETACH);
    if (chdir("/newroot") != 0 || mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0 || chdir("/") != 0)
        console_fatal("switch to the new root");
    remove_tree(old, st.st_dev, 0);
}

/* From here on paths mean the new root, so symlinks of the image are resolved inside it. */

static void mount_modules(const char *device)
{
    struct utsname name;
    char path[200];
    if (device[0] == 0)
        return;
    uname(&name);
    snprintf(path, sizeof path, "/lib/modules/%s", name.release);
    if (!directory("/lib", 0755) || !directory("/lib/modules", 0755) || !directory(path, 0755) ||
        mount(device, path, "squashfs", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) != 0)
        console_say("mount kernel modules on %s: %s", path, strerror(errno));
}

/* Container stores cannot live on an overlay. Only in images that know them: others are not to be littered. */
static void bind_from_state(int state, const char *name, const char *at)
{
    char source[64];
    struct stat st;
    if (stat(at, &st) != 0 || !S_ISDIR(st.st_mode))
        return;
    if (mkdirat(state, name, 0711) != 0 && errno != EEXIST) {
        console_say("make %s on the state disk: %s", name, strerror(errno));
        return;
    }
    int fd = openat(state, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
    if (fd < 0 || mount(source, at, NULL, MS_BIND, NULL) != 0)
        console_say("bind %s: %s", at, strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* Commands run before the image's init, which would make these: without, `echo >/dev/stderr` makes a file. */
static void link_descriptors(void)
{
    static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
                                           {"/proc/self/fd/0", "/dev/stdin"},
                                           {"/proc/self/fd/1", "/dev/stdout"},
                                           {"/proc/self/fd/2", "/dev/stderr"}};
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        if (symlink(links[i][0], links[i][1]) != 0 && errno != EEXIST)
            console_say("link %s: %s", links[i][1], strerror(errno));
}

int root_assemble(const struct disks *disks)
{
    mount_overlay(disks);
    int state = open("/state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    switch_root();
    root_mount_kernel();
    link_descriptors();
    mount_quietly("devpts", "/dev/pts", 0755, MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666");
    mount_quietly("tmpfs", "/dev/shm", 01777, MS_NOSUID | MS_NODEV, "mode=1777");
    mount_quietly("tmpfs", "/run", 0755, MS_NOSUID | MS_NODEV, "mode=0755");
    directory("/tmp", 01777);
    mount_modules(disks->modules);
    bind_from_state(state, "docker", "/var/lib/docker");
    bind_from_state(state, "containerd", "/var/lib/containerd");
    return state;
}
