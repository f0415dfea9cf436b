#include "boot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "agent.h"
#include "cmdline.h"
#include "console.h"
#include "disks.h"
#include "init.h"
#include "modules.h"
#include "root.h"
#include "selfpatch.h"
#include "textfile.h"

#define DISK_SECONDS 30
/* Longest time that the image's init waits for the host's `configure`: a host that is gone must not keep it. */
#define GATE_MS 5000

static int open_self(void)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        console_fatal("open the agent's own program");
    return fd;
}

/* The initramfs goes away; the agent stays reachable as a file in the running system. */
static void copy_self(int self)
{
    mkdir("/run/banger", 0755);
    int to = open(AGENT_PATH, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    struct stat st;
    if (to < 0 || fstat(self, &st) != 0)
        console_fatal("copy the agent to %s", AGENT_PATH);
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(to, self, NULL, (size_t)left);
        if (n <= 0)
            console_fatal("copy the agent to %s", AGENT_PATH);
        left -= n;
    }
    close(to);
}

static void loopback_up(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq r = {.ifr_flags = IFF_UP | IFF_RUNNING};
    strcpy(r.ifr_name, "lo");
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &r) != 0)
        console_say("bring lo up: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
}

static bool executable(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Whether a path is, or is a link to, a file of that name. */
static bool leads_to(const char *path, const char *name)
{
    char *real = realpath(path, NULL);
    bool leads = real != NULL && strcmp(strrchr(real, '/') + 1, name) == 0;
    free(real);
    return leads;
}

/* A busybox applet without the service manager it was meant to start only respawns gettys on terminals we lack. */
static bool is_bare_busybox(const char *path)
{
    return leads_to(path, "busybox") && !executable("/sbin/openrc");
}

static bool find_init(char *path, size_t cap)
{
    static const char *const candidates[] = {"/sbin/init", "/usr/lib/systemd/systemd", "/lib/systemd/systemd"};
    if (cmdline_value("banger.init", path, cap)) {
        if (executable(path))
            return true;
        console_say("banger.init=%s cannot be executed, looking for another init", path);
    }
    for (unsigned i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        if (executable(candidates[i]) && !is_bare_busybox(candidates[i])) {
            snprintf(path, cap, "%s", candidates[i]);
            return true;
        }
    }
    return false;
}

/*
 * A machine that ends by a reset alone would stand still for good after systemd's `poweroff`, so that this becomes one. Not in
 * /run/systemd/system: that folder says that systemd runs.
 */
static void end_by_reset(const char *init)
{
    static const char path[] = "/run/systemd/system.control/systemd-poweroff.service.d/banger.conf";
    static const char text[] = "[Unit]\nSuccessAction=reboot-force\n";
    struct failure f;
    if (cmdline_off() == RB_AUTOBOOT && leads_to(init, "systemd") && text_write(path, text, sizeof text - 1, 0644, &f) != 0)
        console_say("have poweroff reset the machine: %s", f.message);
}

/* The image's init finds name, clock, keys and machine id in place, and does not compete with their being set. */
static void wait_at_gate(int gate)
{
    struct pollfd p = {.fd = gate, .events = POLLIN};
    while (poll(&p, 1, GATE_MS) < 0 && errno == EINTR)
        ;
    close(gate);
}

void boot(void)
{
    struct disks disks;
    struct boot_facts facts = {.init_ns = boottime_ns(), .init_gate = -1};
    int gate[2];
    char init[PATH_MAX];

    root_mount_kernel();
    console_open();
    int uevents = disks_listen();
    modules_load("/modules.list");
    const char *missing = disks_driver_missing();
    if (missing != NULL) {
        errno = 0;
        console_fatal("this kernel has no %s: it cannot see the VM's disks", missing);
    }
    if (disks_wait(uevents, DISK_SECONDS, &disks) != 0)
        console_fatal("no disk with serial %s%s%s after %d seconds", disks.base[0] == 0 ? "base" : "",
                      disks.base[0] == 0 && disks.state[0] == 0 ? " or " : "", disks.state[0] == 0 ? "state" : "", DISK_SECONDS);
    close(uevents);
    int self = open_self();
    facts.state_fd = root_assemble(&disks);
    console_open();
    copy_self(self);
    close(self);
    loopback_up();
    facts.root_ns = boottime_ns();

    static char *const env[] = {"HOME=/", "TERM=linux", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    if (!find_init(init, sizeof init)) {
        facts.beside = false;
        init_run(&facts);
    }
    facts.beside = true;
    end_by_reset(init);
    if (pipe2(gate, O_CLOEXEC) != 0)
        console_fatal("make a pipe");
    facts.init_gate = gate[1];
    selfpatch_early();
    if (init_start_agent(&facts) < 0)
        console_say("start the agent: %s", strerror(errno));
    close(gate[1]);
    wait_at_gate(gate[0]);
    execve(init, (char *[]){init, NULL}, env);
    console_fatal("execute %s", init);
}
