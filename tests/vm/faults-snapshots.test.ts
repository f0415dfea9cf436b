/** The daemon is killed while a VM is kept, restored or forked: the VM goes on, nothing half-made is listed or left. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Checkpoint, SNAPSHOT_CHECKPOINTS } from "../../src/core/checkpoints.ts";
import { Faults } from "../support/faults.ts";
import { makeHome } from "../support/home.ts";

/** Where copies are cut off, of those points that they share with every creation and start. While a fork's monitor is spawned its VM stands still. */
const COPYING: readonly (readonly ["fork" | "restore", Checkpoint])[] = [
  ["fork", "start.spawned"],
  ["fork", "start.noted"],
  ["restore", "create.disk"],
  ["restore", "start.configured"],
];

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
    for (const [act, point] of COPYING) {
      const of = act === "fork" ? "box" : "kept";
      banger = await faults.cutOff(point, ["vm", act, of, "--name", "copy"]);
      assert.deepEqual(
        (await banger.list()).map((vm) => vm.name),
        ["box"],
        `${point} of ${act}`,
      );
      await runsOn(point);
    }
    const copy = await banger.restore("kept", { keep: true });
    await copy.exec(["true"]);
  });
});
