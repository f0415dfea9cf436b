/** `set` and `kill`: what changes, in the guest too, what is refused, and what is recorded. */
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { GIB } from "../../src/core/units.ts";
import { makeHome } from "../support/home.ts";
import { monitorOf, monitorsOf } from "../support/monitors.ts";

describe("a VM is changed", async () => {
  const home = await makeHome();

  test("while it runs: name and disk at once, sizes not; stopped: sizes too; all or nothing", async () => {
    const banger = await home.connect();
    await using vm = await banger.create({ name: "box", vcpu: 1, memoryMib: 512, diskBytes: GIB });
    await using other = await banger.create({ name: "other", start: false });
    const room = async () => {
      const { text } = await vm.exec(["sh", "-c", "df -k --output=size / | tail -1"]);
      return Number(text) * 1024;
    };
    const before = await room();

    const set = await home.run(["vm", "set", "box", "--name", "crate", "--disk-size", "3G", "--json"]);
    assert.equal(set.code, 0, set.stderr);
    assert.equal(JSON.parse(set.stdout).name, "crate");
    assert.equal(JSON.parse(set.stdout).disk_bytes, 3 * GIB);
    assert.equal((await vm.exec(["hostname"])).text, "crate\n");
    assert.equal((await vm.exec(["cat", "/etc/hostname"])).text, "crate\n");
    assert.ok((await room()) > before + 1.8 * GIB, "the filesystem has the new room");
    await vm.exec(["sh", "-c", "dd if=/dev/urandom of=/root/big bs=1M count=64 && sync"]);
    const { text: sum } = await vm.exec(["b2sum", "/root/big"]);

    for (const [args, message] of [
      [["--vcpu", "2"], /is running; this needs it to be stopped/],
      [["--name", "other", "--disk-size", "4G"], /a VM named 'other' exists already/],
      [["--disk-size", "2G"], /cannot be made smaller/],
      [["--disk-size", "4G", "--memory", "1G"], /is running/],
      [[], /nothing to change/],
    ] as const) {
      const refused = await home.run(["vm", "set", "crate", ...args]);
      assert.notEqual(refused.code, 0);
      assert.match(refused.stderr, message);
    }
    const { name, disk_bytes, vcpu } = await vm.refresh();
    assert.deepEqual([name, disk_bytes, vcpu], ["crate", 3 * GIB, 1]);

    await vm.stop();
    await vm.set({ vcpu: 2, memoryMib: 640, diskBytes: 20 * GIB });
    const boot = vm.info.boot_id;
    await vm.restart(); // a stopped one is started
    assert.notEqual(vm.info.boot_id, boot);
    assert.equal((await vm.exec(["nproc"])).text, "2\n");
    assert.ok((await room()) > 18 * GIB, "grown at the start");
    assert.equal((await vm.exec(["b2sum", "/root/big"])).text, sum);

    const killed = await home.run(["vm", "kill", "crate", "--signal", "TERM", "nobody"]);
    assert.equal(killed.code, 1, "one of the names is nobody's");
    assert.equal(killed.stdout, "crate stopped\n");
    const info = await vm.refresh();
    assert.deepEqual([info.state, info.reason], ["stopped", "killed with SIGTERM"]);
    assert.deepEqual(await monitorsOf(home.state, vm.id), []);
    await assert.rejects(vm.kill(), { code: "vm_wrong_state" });
    const signal = await home.run(["vm", "kill", "crate", "--signal", "STOP"]);
    assert.equal(signal.code, 2);
    assert.match(signal.stderr, /KILL, TERM, INT, HUP/);
    await other.set({ name: "box" }); // the name that is free again
  });

  test("a kill ends also a start and a stop that wait for the guest", async () => {
    const banger = await home.connect();
    const starting = Promise.withResolvers<void>();
    const creation = banger.create(
      { name: "stuck" },
      { onEvent: (event) => event.type === "stage" && event.name === "booting" && starting.resolve() },
    );
    creation.catch(() => {});
    await starting.promise;
    const vm = await banger.get("stuck");
    // The monitor is there a moment after the stage begins: until then there is nothing to kill.
    const kill = async (): Promise<unknown> =>
      vm.kill().catch((error) => (error.code === "vm_wrong_state" ? kill() : Promise.reject(error)));
    await kill();
    await assert.rejects(creation, { code: "boot_failed", message: /killed with SIGKILL/ });
    assert.equal((await vm.refresh()).state, "error");

    await vm.start();
    process.kill(await monitorOf(home.state, vm.id), "SIGSTOP");
    const stopping = Promise.withResolvers<void>();
    const stop = vm.stop({
      onEvent: (event) => event.type === "stage" && event.name === "powering off" && stopping.resolve(),
    });
    await stopping.promise;
    await (await banger.get("stuck")).kill();
    const info = await stop;
    assert.deepEqual([info.state, info.reason], ["stopped", "killed with SIGKILL"]);
    await vm.delete();
    assert.deepEqual(await readdir(join(home.state, "vms")), []);
  });
});
