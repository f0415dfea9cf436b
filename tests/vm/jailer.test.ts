/** VMs of a banger that runs as root, whose Firecracker is started by its jailer: the doubles of both, and a real guest. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Checkpoint, JAIL_CHECKPOINTS } from "../../src/core/checkpoints.ts";
import { usableGroups } from "../../src/host/control-groups.ts";
import { findByUser } from "../../src/host/processes.ts";
import type { Sandbox } from "../../src/sdk/index.ts";
import { jailUser } from "../../src/vmm/jail/jail-user.ts";
import { groupName } from "../../src/vmm/jail/limits.ts";
import { DoubleHost } from "../support/double-host.ts";
import { Faults } from "../support/faults.ts";
import { makeHome } from "../support/home.ts";
import { jailsMissing } from "../support/jails-missing.ts";
import { kvmHostMissing } from "../support/kvm-host.ts";

const host = await DoubleHost.make({ guest: "qemu" });
const missing = kvmHostMissing || jailsMissing;
if (!missing) host.installJailer();
const home = await makeHome();
const vms = join(home.state, "vms");

describe("a VM under the jailer", { skip: missing }, () => {
  let vm: Sandbox;
  const create = [
    "vm",
    "create",
    "--driver",
    "firecracker",
    "--disk-size",
    "256M",
    "--memory",
    "512M",
    "--vcpu",
    "1",
  ];
  const say = async (of: Sandbox, script: string) => (await of.exec(["sh", "-c", script])).text.trim();

  before(async () => {
    await host.configure(home);
    assert.equal((await host.run(home, ["daemon", "start"])).code, 0);
  });
  after(() => home.run(["daemon", "stop"]));

  test("is announced by doctor in the driver's line, made by the command line, and runs as a user of its own", async () => {
    const doctor = await host.run(home, ["doctor"]);
    assert.match(doctor.stdout, /firecracker\/kvm.*: .*started by its jailer, .*bin\/jailer/);
    const made = await home.run([...create, "--name", "jailed"]);
    assert.equal(made.code, 0, made.stderr);
    vm = (await (await home.connect()).get("jailed")).keep();
    const ran = await home.run(["vm", "exec", "jailed", "--", "sh", "-c", "hostname; exit 7"]);
    assert.deepEqual([ran.code, ran.stdout], [7, "jailed\n"]);
    const folder = join(vms, vm.id);
    const monitor = findByUser(jailUser(folder));
    assert.notDeepEqual(monitor, []);
    for (const { pid } of monitor) {
      const status = readFileSync(`/proc/${pid}/status`, "latin1");
      for (const line of [/^Groups:\t ?$/m, /^CapEff:\t0+$/m, /^CapPrm:\t0+$/m, /^NoNewPrivs:\t1$/m])
        assert.match(status, line);
    }
    assert.equal(statSync(join(folder, "state.ext4")).uid, jailUser(folder));
    assert.ok((await vm.stats()).host_rss_bytes > 0);
  });

  test("is forked, grown, and found by a later daemon; each machine is of another user", async () => {
    await say(vm, "echo then > /root/moment");
    const forked = await home.run(["vm", "fork", "jailed", "--name", "copy"]);
    assert.equal(forked.code, 0, forked.stderr);
    await vm.set({ diskBytes: 320 * 1024 * 1024 });
    await home.killDaemon();
    assert.equal((await host.run(home, ["daemon", "start"])).code, 0);
    const banger = await home.connect();
    const copy = (await banger.get("copy")).keep();
    vm = (await banger.get("jailed")).keep();
    assert.deepEqual([await say(copy, "cat /root/moment; hostname"), copy.state], ["then\ncopy", "running"]);
    assert.equal(await say(vm, "cat /root/moment"), "then");
    assert.notDeepEqual(findByUser(jailUser(join(vms, copy.id))), []);
    await copy.delete();
  });

  test("is stopped in order and started again; stopped and deleted it leaves nothing of the jail", async () => {
    await vm.stop();
    const folder = join(vms, vm.id);
    assertNoJail(folder);
    await vm.start();
    assert.equal(await say(vm, "cat /root/moment"), "then");
    await vm.delete();
    assert.deepEqual(readdirSync(vms), []);
  });

  test("whose daemon is killed at any step of its jail's making or removal leaves nothing for the next one", async () => {
    await home.run(["daemon", "stop"]);
    const faults = new Faults(home, host.behind());
    await faults.connect();
    const group = await usableGroups();
    const points: Checkpoint[] = [...JAIL_CHECKPOINTS, "start.spawned", "start.launched"];
    for (const point of points) {
      // One that is refused is taken out of its jail again.
      const leaving = point === "jail.ended" || point === "jail.emptied";
      host.plan(leaving ? { refuse: { "PUT /actions": "as planned" } } : { guest: "none" });
      const banger = await faults.cutOff(point, create);
      const [left, ...more] = await banger.list();
      assert.ok(left && more.length === 0, point);
      assert.equal(left.state, "stopped", point);
      const folder = join(vms, left.id);
      assert.deepEqual(
        readdirSync(folder).filter((name) => !/\.log$/.test(name)),
        ["state.ext4"],
        point,
      );
      assertNoJail(folder);
      assert.ok(
        !group || !existsSync(join(group.pids, groupName(folder))),
        `${point}: its control group is gone`,
      );
      assert.ok(
        !readFileSync("/proc/self/mounts", "latin1").includes(home.path),
        `${point}: no mount is left`,
      );
      await left.delete();
    }
    assert.deepEqual([...faults.killed], points);
  });

  function assertNoJail(folder: string): void {
    assert.ok(!existsSync(join(folder, "jail")));
    assert.equal(statSync(join(folder, "state.ext4")).uid, 0);
    assert.deepEqual(findByUser(jailUser(folder)), []);
  }
});
