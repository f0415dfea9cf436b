#include "selfpatch.h"

#include <cpuid.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CGROUPS "/sys/fs/cgroup"
/* Empty and without controllers. What is attached to it is what keeps the kernel's code as it is. */
#define HOLDER CGROUPS "/banger"
#define HYPERVISOR_LEAF 0x40000000

static bool emulated(void)
{
    uint32_t max, name[3];
    __cpuid(HYPERVISOR_LEAF, max, name[0], name[1], name[2]);
    return max >= HYPERVISOR_LEAF && memcmp(name, "TCGTCGTCGTCG", sizeof name) == 0;
}

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
    return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

/* Attaches a program that allows everything to a cgroup where no process ever is. */
static void attach(int cgroup, enum bpf_prog_type type, enum bpf_attach_type point)
{
    const struct bpf_insn allow[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr load = {
        .prog_type = type,
        .expected_attach_type = point,
        .insns = (uintptr_t)allow,
        .insn_cnt = sizeof allow / sizeof allow[0],
        .license = (uintptr_t) "MIT",
    };
    int program = bpf(BPF_PROG_LOAD, &load);
    if (program < 0)
        return;
    union bpf_attr to = {.target_fd = (uint32_t)cgroup, .attach_bpf_fd = (uint32_t)program, .attach_type = point};
    bpf(BPF_PROG_ATTACH, &to);
    close(program);
}

/* The memory of kernel objects is counted from the first cgroup on that counts memory, and for good. */
static void count_memory(bool on)
{
    const char *change = on ? "+memory" : "-memory";
    int fd = open(CGROUPS "/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, change, strlen(change)) < 0) {
        /* A kernel without it has nothing to change. */
    }
    close(fd);
}

void selfpatch_early(void)
{
    if (!emulated() || sysconf(_SC_NPROCESSORS_ONLN) < 2)
        return;
    if (mount("cgroup2", CGROUPS, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
        return;
    count_memory(true);
    mkdir(HOLDER, 0755);
    int cgroup = open(HOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (cgroup >= 0) {
        attach(cgroup, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS);
        attach(cgroup, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS);
        attach(cgroup, BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE);
        close(cgroup);
    }
    /* Older inits want the memory controller for a hierarchy of their own, which it cannot join while it is used here. */
    count_memory(false);
    umount(CGROUPS);
}
