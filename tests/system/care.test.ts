/** Looking after VMs: figures, ends by themselves, cleaning up. */
import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { allocatedBytes } from "../../src/host/disk-usage.ts";
import type { Part, Pruned, Vm } from "../../src/sdk/index.ts";
import { configureHome } from "../support/command.ts";
import { makeHome } from "../support/home.ts";

const SMALL = ["--vcpu", "1", "--memory", "256M", "--disk-size", "512M"];

describe("looking after VMs", async () => {
  const home = await makeHome();
  await configureHome(home.path, 'auto_stop_after = "4s"\n');
  const json = async <T>(...args: string[]): Promise<T> => {
    const { code, stdout, stderr } = await home.run([...args, "--json"]);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as T;
  };

  test("a VM that nobody uses is stopped, one that is used is not", async () => {
    const { code, stderr } = await home.run(["vm", "create", "--name", "idle", ...SMALL]);
    assert.equal(code, 0, stderr);
    const vm = await (await home.connect()).get("idle");
    const logs = (await vm.logs({ follow: true })).resume();
    const closed = new Promise((resolve) => logs.once("close", resolve));
    const busy = vm.exec(["sleep", "6"]);
    await busy.started;
    assert.equal((await vm.refresh()).stops_at, null, "in use");
    const [figures] = await json<
      { vm: string; cpu_percent: number; memory_used_bytes: number; host_rss_bytes: number }[]
    >("vm", "stats", "idle");
    assert.equal(figures?.vm, "idle");
    assert.ok(figures.cpu_percent >= 0 && figures.cpu_percent <= 100);
    assert.ok(figures.memory_used_bytes > 1e7 && figures.host_rss_bytes > 1e7);
    assert.equal((await busy).code, 0, "longer than auto_stop_after");
    const { stdout } = await home.run(["vm", "list"]);
    assert.match(stdout, /^NAME +STATE .*UPTIME +STOPS/);
    assert.match(stdout, /idle +running .* in \d/);
    const info = await vm.refresh();
    assert.equal(info.stops_because, "idle");
    await closed;
    for (const { id } of await (await home.connect()).operations.list())
      await (await home.connect()).operations.follow(id).catch(() => {});
    const { state, reason } = await vm.refresh();
    assert.deepEqual([state, reason], ["stopped", "idle for 4s (auto_stop_after)"]);
  });

  test("a lifetime that ended while no daemon ran is honoured by the next", async () => {
    const banger = await home.connect();
    const vm = (await banger.create({ name: "mortal", ttlMs: 3_600_000, vcpu: 1, memoryMib: 256 })).keep();
    assert.equal(vm.info.stops_because, "idle", "which comes first here");
    await home.killDaemon();
    const database = new DatabaseSync(join(home.state, "state.db"));
    database.exec("UPDATE vms SET started_at = started_at - 4000000 WHERE name = 'mortal'");
    database.close();
    const next = await home.connect();
    for (const { id } of await next.operations.list()) await next.operations.follow(id);
    const { state, reason } = (await next.get("mortal")).info;
    assert.deepEqual([state, reason], ["stopped", "its lifetime was over (--ttl 1h00m)"]);
  });

  test("what takes space is told; what VMs use stays, the rest goes", async () => {
    const parts = await json<Part[]>("du");
    const image = parts.find((part) => part.kind === "image");
    assert.deepEqual(image?.used_by.toSorted(), ["idle", "mortal"]);
    const rootfs = await stat(join(home.state, "images", image?.id ?? "", "rootfs.squashfs"));
    assert.ok((image?.size_bytes ?? 0) >= rootfs.blocks * 512, "real blocks");
    assert.match((await home.run(["du"])).stdout, /^WHAT +COUNT +SIZE +CAN GO +WITH\nVMs +2 /);

    for (const noun of ["image", "kernel"]) {
      assert.deepEqual((await json<Pruned>(noun, "prune", "--all")).removed, []);
      const name = parts.find((part) => part.kind === noun)?.name ?? "";
      const refused = await home.run([noun, "delete", name]);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /idle, mortal/);
    }

    const would = await json<Pruned>("cache", "prune", "--dry-run");
    assert.ok(would.dry_run && would.freed_bytes > 1e6);
    const went = await json<Pruned>("cache", "prune");
    assert.equal(went.removed.length, would.removed.length);
    assert.equal((await home.run(["vm", "start", "idle"])).code, 0, "what is needed is made again");
  });

  test("prune deletes what rests, and only after it has asked or been forced", async () => {
    const refused = await home.run(["vm", "prune"]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /would delete mortal, and there is no terminal[\s\S]*prune -f/);
    assert.equal((await json<Vm[]>("vm", "list", "-a")).length, 2);
    const pruned = await home.run(["vm", "prune", "-f"]);
    assert.equal(pruned.stdout, "mortal deleted\n");
    assert.match(pruned.stderr, /freed/);
    const running = await (await home.connect()).get("idle");
    await assert.rejects(running.delete({ unlessRunning: true }), { code: "vm_wrong_state" });
    await running.delete();

    const images = (await json<Part[]>("du")).filter((part) => part.kind === "image");
    const before = await allocatedBytes(join(home.state, "images"));
    const gone = await json<Pruned>("image", "prune", "--all");
    assert.deepEqual(
      gone.removed.map(({ id, size_bytes }) => [id, size_bytes]),
      images.map(({ id, size_bytes }) => [id, size_bytes]),
      "what du said can go",
    );
    const freed = before - (await allocatedBytes(join(home.state, "images")));
    assert.ok(Math.abs(freed - gone.freed_bytes) <= 4096, `${freed} freed, ${gone.freed_bytes} told`);
    assert.deepEqual(await json("image", "list"), []);
    assert.match((await home.run(["kernel", "prune"])).stdout, /nothing to remove/);
    assert.match((await home.run(["kernel", "prune", "--all"])).stdout, /debian-cloud/);
    assert.deepEqual(await json("kernel", "list"), []);
  });
});
