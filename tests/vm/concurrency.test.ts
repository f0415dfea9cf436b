/** Many things at once: each VM whole, each name one VM's, each pull done once, one daemon. */
import assert from "node:assert/strict";
import { watch } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { MIB } from "../../src/core/units.ts";
import { makeHome } from "../support/home.ts";
import { assertSound } from "../support/soundness.ts";

const SMALL = { vcpu: 1, memoryMib: 256, diskBytes: 256 * MIB };

describe("at once", async () => {
  const home = await makeHome();

  test("two pulls of one kernel: it is obtained once, both are told", async () => {
    const kernels = join(home.state, "kernels");
    await rm(kernels, { recursive: true });
    await mkdir(kernels, { mode: 0o700 });
    const made = new Set<string>();
    const watcher = watch(
      kernels,
      (_, name) => /^\.tmp-[0-9a-f]{16}$/.test(name ?? "") && made.add(name ?? ""),
    );
    const pulls = await Promise.all([1, 2].map(() => home.run(["kernel", "pull", "debian-cloud"])));
    watcher.close();
    for (const { code, stderr } of pulls) assert.equal(code, 0, stderr);
    assert.equal(made.size, 1, `made ${made.size} times`);
    const banger = await home.connect();
    assert.equal((await banger.kernels.list()).length, 1);
    await assertSound(banger, home);
  });

  test("eight creations, four starts with four deletions, and a daemon killed under them", async () => {
    const banger = await home.connect();
    const vms = await Promise.all(Array.from({ length: 8 }, () => banger.create({ ...SMALL, keep: true })));
    assert.equal(new Set(vms.map((vm) => vm.name)).size, 8);
    await Promise.all(
      vms.map(async (vm) => {
        await vm.files.write("/root/name", vm.name);
        assert.equal((await vm.exec(["hostname"])).text.trim(), vm.name);
      }),
    );
    await assertSound(banger, home);

    const [kept, doomed] = [vms.slice(0, 4), vms.slice(4)];
    await Promise.all(kept.map((vm) => vm.stop()));
    await Promise.all([...kept.map((vm) => vm.start()), ...doomed.map((vm) => vm.delete())]);
    for (const vm of kept) assert.equal(await vm.files.readText("/root/name"), vm.name, "each its own disk");
    assert.equal((await assertSound(banger, home)).length, 4);

    await home.killDaemon();
    const clients = await Promise.all(Array.from({ length: 4 }, () => home.run(["vm", "list", "--json"])));
    for (const { code, stdout, stderr } of clients) {
      assert.equal(code, 0, stderr);
      assert.deepEqual(
        (JSON.parse(stdout) as { state: string }[]).map((vm) => vm.state),
        ["running", "running", "running", "running"],
      );
    }
    const next = await home.connect();
    await assertSound(next, home);
    await Promise.all((await next.list()).map((vm) => vm.delete()));
  });

  test("a name that is used again while its VM is deleted: one VM has it, or the creation is refused", async () => {
    const banger = await home.connect();
    for (let round = 0; round < 5; round++) {
      const old = await banger.create({ ...SMALL, name: "phoenix", start: false, keep: true });
      const [deleted, ...created] = await Promise.allSettled([
        old.delete(),
        ...[1, 2].map(() => banger.create({ ...SMALL, name: "phoenix", start: false, keep: true })),
      ]);
      assert.equal(deleted.status, "fulfilled");
      for (const result of created)
        if (result.status === "rejected") assert.equal(result.reason.code, "vm_name_taken");
      const left = await assertSound(banger, home);
      assert.equal(left.length, created.filter((result) => result.status === "fulfilled").length);
      assert.ok(left.length <= 1);
      for (const vm of left) await (await banger.get(vm.id)).delete();
    }
  });

  test("two renamings to one name: one wins", async () => {
    const banger = await home.connect();
    const vms = await Promise.all([1, 2].map(() => banger.create({ ...SMALL, start: false })));
    const results = await Promise.allSettled(
      vms.map((vm) => vm.set({ name: "wanted", diskBytes: 300 * MIB })),
    );
    const lost = results.filter((result) => result.status === "rejected");
    assert.deepEqual(
      lost.map((result) => result.reason.code),
      ["vm_name_taken"],
    );
    const left = await assertSound(banger, home);
    assert.deepEqual(left.map((vm) => [vm.name === "wanted", vm.disk_bytes / MIB]).sort(), [
      [false, 256],
      [true, 300],
    ]);
    await Promise.all(vms.map((vm) => vm.delete()));
  });
});
