/** Pause and resume: the guest stands still, and everything that can be done with a VM knows it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createConnection } from "node:net";
import { describe, test } from "node:test";
import { makeHome } from "../support/home.ts";
import { patient } from "../support/patience.ts";
import { assertSound } from "../support/soundness.ts";

const SIZES = { vcpu: 1, memoryMib: 256, diskBytes: 256 * 2 ** 20 };

describe("a paused VM", async () => {
  const home = await makeHome();

  test("stands still, refuses with the way on, outlives the daemon, and goes on where it was", async () => {
    let banger = await home.connect();
    let vm = await banger.create({ name: "still", publish: [{ guestPort: 22 }], ...SIZES });
    const waiting = vm.exec(["sh", "-c", "read line; echo $line"], { stdin: true });
    await waiting.started;
    assert.equal((await vm.pause()).state, "paused");
    assert.equal((await vm.pause()).state, "paused", "twice is once");
    waiting.stdin.end("went on\n");

    const refused = { code: "vm_wrong_state", message: /is paused/, hint: "banger vm resume still" };
    await assert.rejects(Promise.resolve(vm.exec(["true"])), refused);
    await assert.rejects(vm.connect(22), refused);
    await assert.rejects(vm.files.readText("/etc/hostname"), refused);
    await assert.rejects(vm.start(), refused);
    await assert.rejects(vm.set({ name: "other" }), refused);
    assert.match((await home.run(["ps"])).stdout, /still +paused/);
    const socket = createConnection(vm.info.publish[0]?.host_port ?? 0, "127.0.0.1");
    await assert.rejects(once(socket, "data"), { code: "ECONNRESET" }, "a published port has nobody wait");

    assert.equal((await vm.resume()).state, "running");
    assert.equal((await waiting).text, "went on\n", "what was under way went on");

    await vm.pause();
    await home.killDaemon();
    banger = await home.connect();
    await assertSound(banger, home);
    vm = await banger.get("still");
    assert.equal(vm.state, "paused", "found again as it was");
    const { code, stdout } = await home.run(["vm", "resume", "still", "still"]);
    assert.deepEqual([code, stdout], [0, "still running\n"]);
    const behind = Date.now() / 1000 - Number((await vm.exec(["date", "+%s.%N"])).text);
    assert.ok(behind < patient(5), `the guest's clock is ${behind} s behind`);
  });

  test("is stopped in order, killed and deleted like a running one", async () => {
    const banger = await home.connect();
    const vm = await banger.get("still");
    await vm.files.write("/root/unsynced", "kept");
    await vm.pause();
    assert.equal((await vm.stop()).state, "stopped");
    await assert.rejects(vm.pause(), { code: "vm_wrong_state", hint: "banger vm start still" });
    await assert.rejects(vm.resume(), { code: "vm_wrong_state" });
    await vm.start();
    assert.equal(await vm.files.readText("/root/unsynced"), "kept");
    await vm.pause();
    assert.equal((await vm.kill()).state, "stopped");
    await vm.start();
    await vm.pause();
    const gone = await home.run(["vm", "delete", "still"]);
    assert.equal(gone.stdout, "still deleted\n");
    assert.deepEqual(await assertSound(banger, home), []);
  });
});
