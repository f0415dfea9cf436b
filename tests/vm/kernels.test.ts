/** Kernels other than the default: VMs boot them, and one in use stays. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { openGuest } from "../../src/guest/index.ts";
import { resolvePaths } from "../../src/host/paths.ts";
import { hostDrivers } from "../support/each-driver.ts";
import { makeHome } from "../support/home.ts";
import { launchSpec, quietly } from "../support/launch-spec.ts";
import { patient } from "../support/patience.ts";
import { qemuMissing } from "../support/suite-driver.ts";

const BOOT_MS = patient(60_000);

/** What kernels/generic/build.sh left: it is not built in tests. */
const GENERIC = process.env.BANGER_TEST_GENERIC;

/** What Docker and systemd of Debian ask a kernel for, each told by the kernel itself. */
const NEEDED = `
set -e
test ! -e /lib/modules/$(uname -r)
grep -qw cgroup2 /proc/filesystems; grep -qw overlay /proc/filesystems; grep -qw fuse /proc/filesystems
for c in cpuset cpu io memory pids; do grep -qw $c /sys/fs/cgroup/cgroup.controllers; done
for n in cgroup ipc mnt net pid time user uts; do test -e /proc/self/ns/$n; done
test -e /dev/net/tun; test -e /dev/fuse; test -e /dev/hwrng; test -e /dev/vsock
unshare --net sh -ec 'ip link add v0 type veth peer name v1; ip link add b0 type bridge; ip link set v0 master b0; ip link set b0 up'
test -e /proc/sys/net/bridge/bridge-nf-call-iptables
grep -q 'Seccomp_filters' /proc/self/status
for o in IP_NF_NAT NFT_COMPAT NF_TABLES_INET NETFILTER_XT_MATCH_ADDRTYPE NETFILTER_XT_MATCH_CONNTRACK NETFILTER_XT_TARGET_MASQUERADE \\
  CGROUP_BPF CGROUP_DEVICE SECCOMP_FILTER OVERLAY_FS VETH BRIDGE_NETFILTER KEYS POSIX_MQUEUE; do
  zcat /proc/config.gz | grep -q "^CONFIG_$o=y"
done`;

describe("kernels", async () => {
  const home = await makeHome();

  test("an imported kernel boots; its name goes, but not the kernel while a VM has it", async () => {
    const banger = await home.connect();
    const folder = join(home.path, "exported");
    assert.equal((await home.run(["kernel", "export", "debian-cloud", folder])).code, 0);
    const imported = await home.run(["kernel", "import", "mine", "--from", folder, "-q", "--json"]);
    assert.equal(imported.code, 0, imported.stderr);
    const { digest, release, modules } = JSON.parse(imported.stdout) as Record<string, string>;
    assert.equal(digest, (await banger.kernels.get("debian-cloud")).digest);
    assert.ok(modules);
    await using vm = await banger.create({ kernel: "mine" });
    const { text } = await vm.exec(["sh", "-c", "uname -r; ls /lib/modules; modprobe -n virtio_net"]);
    assert.deepEqual(text.trim().split("\n"), [release, release]);
    assert.equal(vm.info.kernel.name, "mine");
    await banger.cleaning.deleteKernel("mine");
    await assert.rejects(banger.cleaning.deleteKernel("debian-cloud"), { code: "kernel_in_use" });
    await assert.rejects(banger.cleaning.deleteKernel(String(digest).slice(0, 8)), { code: "kernel_in_use" });
    assert.deepEqual(
      (await banger.kernels.list()).map(({ name }) => name),
      ["debian-cloud"],
    );
  });

  test("QEMU boots a kernel as it came, too: what cannot be unpacked is, and a second attempt at a start", {
    skip: qemuMissing(),
  }, async (t) => {
    const driver = hostDrivers(resolvePaths(home.env).cache).byName("qemu");
    const status = await driver.probe();
    if (!status.usable) return t.skip(status.reason);
    const spec = await launchSpec(home, "vm-packed", status.accelerator);
    const kernel = { image: spec.kernel.image, elf: { problem: "as it came" } };
    const machine = await driver.launch({ ...spec, kernel }, quietly.signal);
    try {
      machine.console.resume();
      const signal = AbortSignal.timeout(BOOT_MS);
      const session = await openGuest(await machine.connectAgent(), { signal });
      assert.ok(session.hello.bootId);
    } finally {
      await machine.kill();
    }
  });

  test("the generic kernel boots without modules and has what systemd and Docker need", async (t) => {
    if (!GENERIC) return t.skip("BANGER_TEST_GENERIC names no folder that kernels/generic/build.sh made");
    const banger = await home.connect();
    await banger.kernels.import("generic", { from: GENERIC });
    const { modules, direct_boot, firecracker } = await banger.kernels.get("generic");
    assert.deepEqual(
      { modules, direct_boot, firecracker },
      { modules: false, direct_boot: true, firecracker: null },
    );
    await using vm = await banger.create({ kernel: "generic", wait: "system" });
    assert.equal(await vm.waitSystem(), "running");
    const { code, stderr } = await vm.exec(["sh", "-xc", NEEDED]);
    assert.equal(code, 0, stderr.toString().slice(-1000));
    await vm.stop();
    assert.equal(vm.state, "stopped");
  });
});
