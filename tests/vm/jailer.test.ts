/** VMs of a banger that runs as root, whose Firecracker is started by its jailer: the doubles of both, and a real guest. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Checkpoint, JAIL_CHECKPOINTS } from "../../src/core/checkpoints.ts";
import { usableGroups } from "../../src/host/control-groups.ts";
import { findByUser, startTime } from "../../src/host/processes.ts";
import { JAIL_GROUP, jailUser } from "../../src/vmm/jail/jail-user.ts";
import { groupName } from "../../src/vmm/jail/limits.ts";
import { DoubleHost } from "../support/double-host.ts";
import { Faults } from "../support/faults.ts";
import { makeHome } from "../support/home.ts";
import { kvmHostMissing } from "../support/kvm-host.ts";

const host = await DoubleHost.make({ guest: "qemu" });
if (!kvmHostMissing) host.installJailer();
const home = await makeHome();
const vms = join(home.state, "vms");

describe("a VM under the jailer", { skip: kvmHostMissing }, () => {
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

  before(() => host.configure(home));
  after(() => home.run(["daemon", "stop"]));

  test("whose daemon is killed at any step of its jail's making or removal leaves nothing for the next one", async () => {
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
      assert.deepEqual(jailedProcesses(), [], point);
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

/** Processes in any jail's group that have not ended. */
function jailedProcesses(): string[] {
  return readdirSync("/proc").filter((entry) => {
    if (!/^\d+$/.test(entry) || startTime(Number(entry)) === null) return false;
    try {
      return readFileSync(`/proc/${entry}/status`, "latin1").includes(`\nGid:\t${JAIL_GROUP}\t`);
    } catch {
      return false;
    }
  });
}
