/** Snapshots, restores and forks of VMs by the daemon: what a copy is, what is refused, and that nothing half-made remains. */
import assert from "node:assert/strict";
import { mkdir, open, readdir, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Banger, Sandbox } from "../../src/sdk/index.ts";
import { CLOCK_SOURCE } from "../../src/vmm/qemu/host-clock.ts";
import { banger as runBanger } from "../support/command.ts";
import { makeHome } from "../support/home.ts";
import { redis, startRedis } from "../support/redis.ts";
import { assertSound } from "../support/soundness.ts";
import { suiteDriver } from "../support/suite-driver.ts";

const SIZES = { vcpu: 1, memoryMib: 384, diskBytes: 1024 * 2 ** 20 };

/** What tells machines apart, and 32 bytes of what should never be the same. */
const IDENTITY = `hostname; cat /etc/hostname /etc/machine-id; cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub
  head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \\n'; echo; cat /proc/sys/kernel/random/uuid`;

describe("a VM with a database", async () => {
  const home = await makeHome();
  let banger: Banger;
  let box: Sandbox;

  before(async () => {
    banger = await home.connect();
    box = await banger.create({ name: "box", wait: "system", publish: [{ guestPort: 22 }], ...SIZES });
    await startRedis(box, home.path);
    assert.equal(await redis(box, "SET who box"), "+OK");
  });
  after(() => banger.close());

  const text = async (vm: Sandbox, script: string) => (await vm.exec(["sh", "-c", script])).text.trim();
  const clockIsRight = async (vm: Sandbox) => {
    const before = Date.now();
    const [source, now] = (await text(vm, `cat ${CLOCK_SOURCE}; date +%s%3N`)).split("\n");
    const guest = Number(now);
    // One that counts its ticks misses some while five guests share two processors.
    const behind = source === "tsc" ? 2000 : 20_000;
    const right = guest > before - behind && guest < Date.now() + 2000;
    assert.ok(right, `${vm.name}'s clock says ${guest} where it is ${before} or a little later`);
  };

  test("is forked four ways: each has an identity of its own and answers, and it goes on untouched", async () => {
    const boot = await text(box, "cat /proc/sys/kernel/random/boot_id");
    const own = await text(box, "hostname; cat /etc/machine-id");
    const copies = await box.fork({ count: 4 });
    const all = [box, ...copies];
    assert.deepEqual(
      all.map((vm) => vm.name),
      ["box", "box-1", "box-2", "box-3", "box-4"],
    );
    const identities = (await Promise.all(all.map((vm) => text(vm, IDENTITY)))).map((it) => it.split("\n"));
    for (const [at, [hostname, file, ...unique]] of identities.entries()) {
      assert.deepEqual([hostname, file], [all[at]?.name, all[at]?.name]);
      assert.equal(unique.length, 4);
    }
    for (const [what, index] of [
      ["machine id", 2],
      ["host key", 3],
      ["random bytes", 4],
      ["uuid", 5],
    ] as const) {
      const values = identities.map((lines) => lines[index] ?? "");
      assert.equal(new Set(values).size, all.length, `${what}: ${values.join(" ")}`);
      assert.ok(
        values.every((value) => value.length >= 32),
        what,
      );
    }
    for (const copy of copies) {
      assert.equal(copy.state, "running");
      assert.deepEqual(copy.info.publish, [], "ports stay the VM's own");
      assert.deepEqual(copy.info.origin, { kind: "vm", id: box.id, name: "box" });
      assert.equal(copy.info.start, "restored");
      await clockIsRight(copy);
    }
    assert.deepEqual(await Promise.all(copies.map((vm) => redis(vm, "GET who"))), Array(4).fill("box"));
    await Promise.all(copies.map((vm) => redis(vm, `SET who ${vm.name}`)));
    assert.deepEqual(
      await Promise.all(all.map((vm) => redis(vm, "GET who"))),
      all.map((vm) => vm.name),
    );
    assert.equal(await text(box, "cat /proc/sys/kernel/random/boot_id"), boot);
    assert.equal(await text(box, "hostname; cat /etc/machine-id"), own);
    await clockIsRight(box);
    await assert.rejects(box.fork({ name: "box-1" }), { code: "vm_name_taken" });
    await assert.rejects(box.fork({ name: "box", count: 2 }), { code: "vm_name_taken" });
    await Promise.all(copies.map((vm) => vm.delete()));
    await assertSound(banger, home);
  });

  test("is kept under a name, goes on, and comes back as another machine that goes on from then", async () => {
    const { code, stdout, stderr } = await home.run(["vm", "snapshot", "create", "box", "ready"]);
    assert.deepEqual([code, stdout], [0, "ready\n"], stderr);
    assert.match(stderr, /box stood still for \d/);
    await redis(box, "SET who later");
    const [snapshot] = await banger.snapshots.list();
    assert.ok(snapshot);
    assert.equal(snapshot.kind, "memory");
    assert.deepEqual(
      [snapshot.vm.name, snapshot.parent, snapshot.image.name],
      ["box", null, box.info.image.name],
    );
    assert.ok(snapshot.size_bytes > 10 * 2 ** 20 && snapshot.size_bytes < 2 * 2 ** 30);
    assert.match(
      (await home.run(["vm", "snapshot", "list"])).stdout,
      new RegExp(`ready +box +memory .*${suiteDriver()}/`),
    );
    assert.match((await home.run(["vm", "snapshot", "show", "ready"])).stdout, /stood still +\d/);

    await assert.rejects(banger.restore("ready", { name: "box" }), { code: "vm_name_taken" });
    await assert.rejects(box.snapshot({ name: "ready" }), { code: "snapshot_name_taken" });
    await assert.rejects(banger.restore("red"), { code: "snapshot_not_found" });
    const again = await banger.restore("ready", { name: "again", keep: true });
    assert.equal(await redis(again, "GET who"), "box");
    assert.equal(await redis(box, "GET who"), "later");
    assert.notEqual(await text(again, "cat /etc/machine-id"), await text(box, "cat /etc/machine-id"));
    assert.equal(await text(again, "hostname"), "again");
    await clockIsRight(again);
    await again.stop();
    const disk = await again.snapshot({ name: "disk" });
    assert.deepEqual([disk.kind, disk.parent, disk.driver_version], ["disk", "ready", null]);
    await again.delete();
    await banger.snapshots.delete("disk");

    const run = await home.run([
      "vm",
      "run",
      "--rm",
      "--from-snapshot",
      "ready",
      "-q",
      "--",
      "cat",
      "/etc/hostname",
    ]);
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stdout, /^[a-z]+-[a-z]+\n$/);
    const refused = await home.run(["vm", "run", "--from-snapshot", "ready", "--memory", "1G"]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /--memory and --from-snapshot exclude each other/);
    assert.deepEqual(
      (await banger.list()).map((vm) => vm.name),
      ["box"],
    );
  });

  test("a disk that runs full meanwhile is told: the VM goes on, nothing half-made is listed or left", async () => {
    // The programs of a daemon whose disk is full: no copy fits.
    const programs = join(home.path, "full");
    await mkdir(programs);
    const cp = '#!/bin/sh\necho "cp: No space left on device" >&2; exit 1\n';
    await writeFile(join(programs, "cp"), cp, { mode: 0o755 });
    const before = (await banger.snapshots.list()).map(({ id }) => id);
    await home.run(["daemon", "stop"]);
    const env = { ...home.env, PATH: `${programs}:${home.env.PATH}` };
    assert.equal((await runBanger(["daemon", "start"], { env })).code, 0);
    banger = await home.connect();
    box = await banger.get("box");
    const full = await home.run(["vm", "snapshot", "create", "box", "full"]);
    assert.match(full.stderr, /not enough disk space/);
    assert.notEqual(full.code, 0);
    await assert.rejects(box.fork({ name: "half" }), { code: "no_space" });
    await assert.rejects(box.fork({ name: "half", count: 2 }), { code: "no_space" });
    assert.equal((await box.refresh()).state, "running");
    assert.equal(await redis(box, "GET who"), "later");
    assert.deepEqual(await readdir(join(home.state, "snapshots")), before);
    assert.deepEqual(
      (await banger.list()).map(({ name }) => name),
      ["box"],
    );
    await assertSound(banger, home);
    await home.run(["daemon", "stop"]);
    banger = await home.connect();
    box = await banger.get("box");
    await box.snapshot({ name: "room" });
    await banger.snapshots.delete("room");
  });

  test("twice at once is refused, and so is one that stops", async () => {
    const change = "$x = 'a' x 1e8; for (;;) { substr($x, $_ * 4096, 1) = chr rand 256 for 0..24000 }";
    await box.exec(["perl", "-e", change], { detach: true }).detached;
    const first = box.snapshot({ name: "first" });
    await assert.rejects(box.snapshot({ name: "second" }), { code: "vm_busy" });
    await first;
    const stopping = box.stop();
    await assert.rejects(box.snapshot({ name: "second" }), (error: { code: string }) =>
      ["vm_busy", "vm_wrong_state"].includes(error.code),
    );
    await assert.rejects(box.fork(), (error: { code: string }) =>
      ["vm_busy", "vm_wrong_state"].includes(error.code),
    );
    await stopping;
    await assert.rejects(box.fork(), { code: "vm_wrong_state", hint: "banger vm start box" });
    assert.deepEqual(
      (await banger.snapshots.list()).map(({ name }) => name),
      ["ready", "first"],
    );
    await banger.snapshots.delete("first");
  });

  test("a snapshot outlives its VM and the daemon, keeps its image, and travels as one file", async () => {
    await box.delete();
    await home.killDaemon();
    banger = await home.connect();
    const { id, image, files } = await banger.snapshots.get("ready");
    assert.deepEqual((await banger.images.get(image.digest)).used_by, ["snapshot ready"]);
    await assert.rejects(banger.images.delete(image.name), {
      code: "image_in_use",
      message: /snapshot ready/,
    });
    const parts = await banger.cleaning.parts();
    assert.ok(parts.some((part) => part.kind === "snapshot" && part.name === "ready" && part.size_bytes > 0));
    const gone = await banger.cleaning.prune("image", { all: true, dryRun: true });
    assert.ok(gone.removed.every((part) => part.id !== image.digest));

    const file = join(home.path, "ready.tar.zst");
    await banger.snapshots.export("ready", file);
    await assert.rejects(banger.snapshots.export("ready", file), { code: "invalid_argument" });
    await assert.rejects(banger.snapshots.import(file), { code: "snapshot_name_taken" });
    const copy = await banger.snapshots.import(file, { name: "travelled" });
    assert.notEqual(copy.id, id);
    assert.deepEqual(copy.files, files, "byte for byte");
    await banger.snapshots.delete("travelled");
    await truncate(file, Math.floor((await stat(file)).size / 2));
    await assert.rejects(banger.snapshots.import(file, { name: "half" }), { code: "archive_invalid" });
    await assert.rejects(banger.snapshots.import("/etc/hostname", { name: "none" }), {
      code: "archive_invalid",
    });
    await assert.rejects(banger.snapshots.import(join(home.path, "absent")), { code: "invalid_argument" });
    assert.deepEqual(await readdir(join(home.state, "snapshots")), [id]);
  });

  test("one that was tampered with or cut short is refused before anything is made", async () => {
    const { id, files } = await banger.snapshots.get("ready");
    for (const { name, size } of files) {
      const path = join(home.state, "snapshots", id, name);
      const file = await open(path, "r+");
      const byte = Buffer.alloc(1);
      const at = Math.min(200_000, size - 1);
      await file.read(byte, 0, 1, at);
      await file.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at);
      await assert.rejects(banger.restore("ready"), { code: "snapshot_damaged", message: new RegExp(name) });
      await file.write(byte, 0, 1, at);
      const tail = Buffer.alloc(Math.min(4096, size));
      await file.read(tail, 0, tail.length, size - tail.length);
      await file.truncate(size - tail.length);
      await assert.rejects(banger.restore("ready"), { code: "snapshot_damaged" });
      await file.write(tail, 0, tail.length, size - tail.length);
      await file.close();
    }
    assert.equal((await banger.list()).length, 0);
    assert.deepEqual(await readdir(join(home.state, "vms")), []);
    await banger.snapshots.delete("ready");
    assert.deepEqual(await readdir(join(home.state, "snapshots")), []);
  });
});
