import assert from "node:assert/strict";
import { test } from "node:test";
import type { LaunchSpec } from "../../../src/vmm/driver.ts";
import { bubblewrapArguments } from "../../../src/vmm/jail/bubblewrap.ts";
import { kernelCommandLine, qemuArguments, SOCKETS } from "../../../src/vmm/qemu/arguments.ts";
import { sharesTranslations } from "../../../src/vmm/qemu/probe.ts";

const SPEC: LaunchSpec = {
  id: "vm-0000000001",
  directory: "/state/vms/vm-0000000001",
  vcpu: 3,
  memoryMib: 1536,
  accelerator: "tcg",
  kernel: { image: "/kernels/k/vmlinuz", elf: { path: "/cache/vmlinux/k", pvh: true } },
  initramfs: "/cache/i.cpio",
  kernelArgs: ["banger.init=/sbin/init"],
  disks: {
    base: "/images/a/rootfs.squashfs",
    state: "/state/vms/x/state.ext4",
    modules: "/kernels/k/modules",
  },
  nested: false,
  diskRate: null,
  netRate: null,
};

/** An emulator on a host whose clock is known, and on one whose is not. */
const KNOWN = { counter: { khz: 2_500_000, reliable: false }, sharesTranslations: false };
const UNKNOWN = { ...KNOWN, counter: null };

const qemu = (change: Partial<LaunchSpec> = {}) => qemuArguments({ ...SPEC, ...change }, UNKNOWN);

/** Values of an option, in order. */
const values = (args: readonly string[], option: string) =>
  args.flatMap((arg, index) => (arg === option ? [args[index + 1] ?? ""] : []));

test("sizes, kernel and initramfs are passed on", () => {
  const args = qemu();
  assert.deepEqual(values(args, "-smp"), ["3"]);
  assert.deepEqual(values(args, "-m"), ["1536M"]);
  assert.deepEqual(values(args, "-kernel"), ["/cache/vmlinux/k"]);
  assert.deepEqual(values(args, "-initrd"), [SPEC.initramfs]);
});

test("a kernel that cannot be entered directly is booted as it came", () => {
  const image = "/kernels/k/vmlinuz";
  for (const elf of [{ path: "/cache/vmlinux/k", pvh: false }, { problem: "it is compressed with lzo" }])
    assert.deepEqual(values(qemu({ kernel: { image, elf } }), "-kernel"), [image]);
});

test("a kernel without modules has no disk of them", () => {
  const args = qemu({ disks: { ...SPEC.disks, modules: null } });
  assert.deepEqual(
    values(args, "-drive").map((drive) => /id=(\w+)/.exec(drive)?.[1]),
    ["base", "state"],
  );
});

test("a limit of the disk's speed is QEMU's own throttling of the state disk alone", () => {
  const throttled = (change: Partial<NonNullable<LaunchSpec["diskRate"]>>) =>
    values(
      qemu({ diskRate: { bytesPerSecond: 4e6, burstBytes: null, opsPerSecond: null, ...change } }),
      "-drive",
    ).map((drive) =>
      drive
        .split(",")
        .filter((option) => option.startsWith("throttling"))
        .join(","),
    );
  assert.deepEqual(throttled({}), ["", "throttling.bps-total=4000000", ""]);
  assert.deepEqual(throttled({ burstBytes: 8e6, opsPerSecond: 500 }), [
    "",
    "throttling.bps-total=4000000,throttling.bps-total-max=8000000,throttling.iops-total=500",
    "",
  ]);
});

test("the guest gets no device that is not named, no network of the host, no window, and QEMU's own sandbox is on", () => {
  const args = qemu();
  for (const flag of ["-nodefaults", "-no-user-config", "-no-reboot"]) assert.ok(args.includes(flag), flag);
  assert.deepEqual(values(args, "-display"), ["none"]);
  assert.deepEqual(values(args, "-sandbox"), [
    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
  ]);
  assert.ok(!args.includes("-nic"));
  // A socket that nobody is connected to: QEMU itself reaches nothing.
  assert.deepEqual(values(args, "-netdev"), ["stream,id=net,server=on,addr.type=unix,addr.path=net.sock"]);
});

test("only the state disk can be written, and a sync in the guest reaches the host's disk", () => {
  const drives = Object.fromEntries(
    values(qemu(), "-drive").map((drive) => [/id=(\w+)/.exec(drive)?.[1] ?? "", drive]),
  );
  assert.deepEqual(Object.keys(drives), ["base", "state", "modules"]);
  assert.match(drives.base ?? "", /readonly=on/);
  assert.match(drives.modules ?? "", /readonly=on/);
  assert.doesNotMatch(drives.state ?? "", /readonly/);
  assert.match(drives.state ?? "", /cache=writeback/);
  assert.ok(Object.values(drives).every((drive) => drive.includes("format=raw")));
});

test("a comma in a path cannot become an option of QEMU's", () => {
  const base = "/home/a,readonly=off,file=/etc/shadow/rootfs";
  const drive = values(qemu({ disks: { ...SPEC.disks, base } }), "-drive")[0] ?? "";
  assert.ok(drive.endsWith("file=/home/a,,readonly=off,,file=/etc/shadow/rootfs"));
  assert.ok(drive.includes("readonly=on"));
  // Single commas part the options: nothing of the path is among them.
  const options = drive.replaceAll(",,", "\0").split(",");
  assert.deepEqual(
    options.filter((option) => option.startsWith("file=") || option.startsWith("readonly=")),
    ["readonly=on", "file=/home/a\0readonly=off\0file=/etc/shadow/rootfs"],
  );
});

test("a path with spaces, quotes and dollars stays one argument as it is", () => {
  const path = `/home/a b/$(reboot)/'"\`;/vmlinux`;
  const kernel = { image: "/kernels/k/vmlinuz", elf: { path, pvh: true } };
  assert.deepEqual(values(qemu({ kernel }), "-kernel"), [path]);
});

test("sockets are relative to the VM's folder, so their length never matters", () => {
  const ends = [...values(qemu(), "-chardev"), ...values(qemu(), "-netdev")];
  const sockets = ends.map((end) => /path=([^,]*)/.exec(end)?.[1]);
  assert.deepEqual(sockets.sort(), Object.values(SOCKETS).sort());
});

test("with KVM the host's CPU, with TCG a whole one, nested only when asked", () => {
  assert.deepEqual(values(qemu({ accelerator: "kvm" }), "-cpu"), ["host"]);
  assert.deepEqual(values(qemu({ accelerator: "kvm" }), "-accel"), ["kvm"]);
  assert.deepEqual(values(qemu(), "-cpu"), ["max,-erms,-fsrm,-la57,-svm"]);
  assert.deepEqual(values(qemu(), "-accel"), ["tcg,thread=multi"]);
  assert.deepEqual(values(qemu({ nested: true }), "-cpu"), ["max,-erms,-fsrm,-la57,+svm,+npt"]);
});

test("the kernel is told the clock only where it would have to measure it under emulation", () => {
  const line = kernelCommandLine(SPEC, KNOWN).split(" ");
  assert.ok(line.includes("tsc_early_khz=2500000") && line.includes("lpj=10000000"));
  assert.doesNotMatch(kernelCommandLine(SPEC, UNKNOWN), /tsc_early_khz|lpj/);
  assert.doesNotMatch(kernelCommandLine({ ...SPEC, accelerator: "kvm" }, KNOWN), /tsc_early_khz|lpj/);
});

test("the kernel panics into an end, prints to the serial console, and knows the image's init", () => {
  const line = kernelCommandLine(SPEC, UNKNOWN).split(" ");
  for (const word of ["console=ttyS0", "panic=-1", "banger.init=/sbin/init"])
    assert.ok(line.includes(word), word);
});

test("an emulated kernel is kept from changing its code while programs use the network", () => {
  assert.match(kernelCommandLine(SPEC, UNKNOWN), /(^| )cgroup\.memory=nosocket( |$)/);
  assert.doesNotMatch(kernelCommandLine({ ...SPEC, accelerator: "kvm" }, UNKNOWN), /nosocket/);
});

test("nothing of a VM's identity stands on the kernel command line", () => {
  assert.ok(!kernelCommandLine(SPEC, UNKNOWN).includes(SPEC.id));
});

test("a confined monitor sees the system read-only, its own folder writable, its files read-only, nothing else", () => {
  const args = bubblewrapArguments(
    { writable: "/state/vms/a", readOnly: ["/k/vmlinuz", "/i/rootfs"], devices: ["/dev/kvm"] },
    ["/usr/bin/qemu", "-M", "--unshare-none"],
  );
  const end = args.indexOf("--");
  const options = args.slice(0, end);
  assert.deepEqual(args.slice(end + 1), ["/usr/bin/qemu", "-M", "--unshare-none"]);
  assert.deepEqual(values(options, "--bind"), ["/state/vms/a"]);
  assert.deepEqual(values(options, "--ro-bind"), ["/k/vmlinuz", "/i/rootfs"]);
  assert.deepEqual(values(options, "--dev-bind-try"), ["/dev/kvm"]);
  assert.deepEqual(values(options, "--chdir"), ["/state/vms/a"]);
  for (const path of values(options, "--ro-bind-try"))
    assert.match(path, /^\/(usr|lib|lib64|bin|sbin|etc\/(ld\.so\.cache|alternatives))$/);
});

test("a confined monitor has namespaces of its own, no network, no capability, no root, and outlives the daemon", () => {
  const args = bubblewrapArguments({ writable: "/w", readOnly: [], devices: [] }, ["true"]);
  for (const flag of ["--unshare-all", "--new-session", "--as-pid-1"]) assert.ok(args.includes(flag), flag);
  assert.ok(!args.includes("--share-net") && !args.includes("--die-with-parent"));
  assert.deepEqual(values(args, "--cap-drop"), ["ALL"]);
  assert.notEqual(values(args, "--uid")[0], "0");
  assert.notEqual(values(args, "--gid")[0], "0");
});

test("programs stay where they are under an emulator that would translate them anew elsewhere", () => {
  const NORANDMAPS = /(^| )norandmaps( |$)/;
  assert.match(kernelCommandLine(SPEC, KNOWN), NORANDMAPS);
  assert.doesNotMatch(kernelCommandLine(SPEC, { ...KNOWN, sharesTranslations: true }), NORANDMAPS);
  assert.doesNotMatch(kernelCommandLine({ ...SPEC, accelerator: "kvm" }, KNOWN), NORANDMAPS);
  for (const [version, shares] of [
    ["QEMU 7.2.22", false],
    ["QEMU 9.1.0", false],
    ["QEMU 10.0.2", true],
    ["QEMU emulator version 10.0.2 (Debian 1:10.0.2)", true],
    ["something else", false],
  ] as const)
    assert.equal(sharesTranslations(version), shares, version);
});
