/** The daemon is killed while a VM is kept, restored or forked: the VM goes on, nothing half-made is listed or left. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Checkpoint, SNAPSHOT_CHECKPOINTS } from "../../src/core/checkpoints.ts";
import { Faults } from "../support/faults.ts";
import { makeHome } from "../support/home.ts";

/** Where copies are cut off, of those points that they share with every creation and start. */
const COPYING: readonly Checkpoint[] = ["create.disk", "start.spawned", "start.noted", "start.configured"];

describe("killed while a VM is copied", async () => {
  const home = await makeHome();
  const faults = new Faults(home);

  test("the VM goes on; a snapshot is listed when it is whole; there is no half copy", async () => {
    let banger = await faults.connect();
    const { id } = await banger.create({
      name: "box",
      keep: true,
      vcpu: 1,
      memoryMib: 256,
      diskBytes: 2 ** 28,
    });
    const runsOn = async (point: Checkpoint) => {
      const vm = await banger.get(id);
      assert.equal(vm.state, "running", point);
      await vm.exec(["true"]);
    };
    for (const point of SNAPSHOT_CHECKPOINTS) {
      banger = await faults.cutOff(point, ["vm", "snapshot", "create", "box", "kept"]);
      const kept = await banger.snapshots.list();
      assert.equal(kept.length, point === "snapshot.recorded" ? 1 : 0, point);
      await runsOn(point);
    }
    for (const [at, point] of COPYING.entries()) {
      const act = at % 2 === 0 ? ["vm", "fork", "box"] : ["vm", "restore", "kept"];
      banger = await faults.cutOff(point, [...act, "--name", "copy"]);
      assert.deepEqual(
        (await banger.list()).map((vm) => vm.name),
        ["box"],
        `${point} of ${act[1]}`,
      );
      await runsOn(point);
    }
    const copy = await banger.restore("kept", { keep: true });
    await copy.exec(["true"]);
  });
});
