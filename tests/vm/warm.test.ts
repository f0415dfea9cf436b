/** Warm starts: what they are like, that nothing of one VM gets into the next, and what is left when a daemon dies over one. */
import assert from "node:assert/strict";
import { mkdir, open, readdir, readFile, readlink, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type Checkpoint, WARM_CHECKPOINTS } from "../../src/core/checkpoints.ts";
import { MIB } from "../../src/core/units.ts";
import { allocatedBytes } from "../../src/host/disk-usage.ts";
import { hashFile } from "../../src/host/hash.ts";
import { findTool } from "../../src/host/tools.ts";
import type { Part, Sandbox, Vm } from "../../src/sdk/index.ts";
import { configureHome } from "../support/command.ts";
import { Faults, untilHolds } from "../support/faults.ts";
import { makeHome } from "../support/home.ts";
import { identity } from "../support/identity.ts";
import { monitorOf } from "../support/monitors.ts";
import { assertSound } from "../support/soundness.ts";
import { suiteDriver, suiteLacks } from "../support/suite-driver.ts";

const SIZE = { vcpu: 1, memoryMib: 256, diskBytes: 512 * MIB } as const;
const ON_QEMU = suiteDriver() === "qemu";
/** The file of a saved machine that has its memory. */
const MEMORY = ON_QEMU ? "qemu.memory" : "memory";
const SMALL = ["--vcpu", "1", "--memory", "256M", "--disk-size", "512M"];

describe("a VM that starts warm", async () => {
  const home = await makeHome();
  await configureHome(home.path, 'warm_cache = "1G"\nstandby = 0\n');
  const folder = join(home.path, ".cache/banger/warm");
  await rm(folder, { recursive: true, force: true }); // none that a seed may have
  await mkdir(folder, { recursive: true });
  const run = (...args: string[]) => home.run(["vm", "run", "--rm", ...SMALL, ...args]);
  const templates = async () => (await readdir(folder)).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const untilTemplate = () => untilHolds("a template", folder, async () => (await templates()).length > 0);
  const only = async () => join(folder, (await templates())[0] ?? "");
  const faults = new Faults(home);

  /** Firecracker maps the memory itself: it sees the saved state's files, which not even root could write there, and no more. */
  const assertReadOnly = async (pid: number, template: string) => {
    const root = `/proc/${pid}/root${template}`;
    assert.deepEqual(await readdir(root), ["state"]);
    for (const name of await readdir(join(root, "state")))
      await assert.rejects(open(join(root, "state", name), "r+"), { code: "EROFS" }, name);
  };

  test("the first of its kind is cold, and a daemon that dies over its template leaves nothing", async () => {
    for (const point of ["warm.launched", "warm.saved", "warm.complete"] as const) {
      await faults.connect();
      faults.arm({ point, victim: "daemon" });
      await run("-q", "--", "true");
      await untilHolds(`${point} passed`, join(home.path, "faults"), async () => faults.passed().has(point));
      const banger = await faults.connect();
      await assertSound(banger, home);
      assert.deepEqual(await templates(), [], `${point}: no template that is not whole`);
    }
    const first = await run("--", "true");
    assert.match(first.stderr, /\| start: cold$/m);
    await untilTemplate();
    const state = join(await only(), "state");
    const taken = await allocatedBytes(state);
    assert.ok(taken < 200 * MIB, `of 256 MiB that the guest has hardly used ${taken} bytes are kept`);
  });

  test("has exactly the sizes that it was asked for and an identity of its own, and its system runs", async () => {
    const second = await run("--", "true");
    assert.match(second.stderr, /\| start: warm$/m);
    const banger = await home.connect();
    const vms = await Promise.all([1, 2].map(() => banger.create(SIZE)));
    const [one, two] = vms as [Sandbox, Sandbox];
    assert.deepEqual(
      vms.map((vm) => vm.info.start),
      ["warm", "warm"],
    );
    const told = await Promise.all(vms.map(identity));
    for (const [at, value] of (told[0] ?? []).entries()) {
      assert.ok(value.length > 0, `identity ${at}`);
      assert.notEqual(told[1]?.[at], value, `identity ${at}`);
    }
    assert.equal(told[0]?.at(-1), one.name);
    assert.match(await one.waitSystem(), /^(running|degraded)$/);
    const machine =
      "nproc; grep MemTotal /proc/meminfo | tr -dc 0-9; echo; df -k --output=size / | tail -1; date +%s";
    const [cpus, kib, disk, time] = (await one.exec(["sh", "-c", machine])).text
      .trim()
      .split("\n")
      .map(Number);
    assert.equal(cpus, 1);
    assert.ok(kib && kib * 1024 < 256 * MIB && kib * 1024 > 150 * MIB, `${kib} KiB of memory`);
    assert.ok(disk && disk * 1024 < 512 * MIB && disk * 1024 > 400 * MIB, `${disk} KiB of disk`);
    assert.ok(Math.abs(Date.now() / 1000 - (time ?? 0)) < 10);
    await two.delete();

    await one.files.write("/root/note", "kept");
    await one.stop();
    await one.start();
    assert.equal(one.info.start, "cold");
    assert.equal(await one.files.readText("/root/note"), "kept");
    assert.equal((await identity(one))[0], told[0]?.[0], "it stays the machine that it became");
    await one.delete();
  });

  test("has no identity of the template's when its monitor is killed before its own is on the disk", async () => {
    const banger = await home.connect();
    const vms = await Promise.all([1, 2].map(() => banger.create(SIZE)));
    await Promise.all(vms.map((vm) => vm.kill()));
    await Promise.all(vms.map((vm) => vm.start()));
    const [mine, theirs] = await Promise.all(vms.map(identity));
    for (const at of [0, 1, 2, 3]) assert.notEqual(mine?.[at], theirs?.[at], `identity ${at}`);
    await Promise.all(vms.map((vm) => vm.delete()));
  });

  test("has the network that it was asked for, or none", async (t) => {
    const network = ["--", "sh", "-c", "ip -4 -o addr | grep -v ' lo '; ip route; cat /etc/resolv.conf"];
    const without = await run(...network);
    assert.match(without.stderr, /\| start: warm$/m);
    assert.equal(without.stdout, "");
    const missing = suiteLacks("nat") || ((await findTool("passt")) === null && "passt is not installed");
    if (missing) return t.skip(missing);
    const withNat = await run("--nat", ...network);
    assert.match(withNat.stderr, /\| start: warm$/m);
    assert.match(withNat.stdout, /inet 10\.0\.2\.15\/24 .*default via 10\.0\.2\.2 .*nameserver \d/s);
  });

  test("boots when it is told to, and when there is no template of its kind", async () => {
    const { stdout } = await home.run(["vm", "create", "--cold", ...SMALL, "--json"]);
    const cold = JSON.parse(stdout) as Vm;
    assert.equal(cold.start, "cold");
    await home.run(["vm", "delete", cold.name]);
    const other = await run("--memory", "320M", "--", "grep", "MemTotal", "/proc/meminfo");
    assert.match(other.stderr, /\| start: cold$/m);
    assert.ok(Number(/\d+/.exec(other.stdout)?.[0]) > 256 * 1024, other.stdout);
  });

  test("cannot reach the template, nor can its monitor, and leaves nothing in the next", async () => {
    const banger = await home.connect();
    const files = await readdir(await only(), { recursive: true, withFileTypes: true });
    const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
    const digests = () => Promise.all(paths.map((path) => hashFile(path)));
    const before = await digests();
    const vm = await banger.create(SIZE);
    assert.equal(vm.info.start, "warm");
    await vm.exec([
      "sh",
      "-c",
      "echo evil > /etc/evil; echo evil > /root/evil; head -c 40000000 /dev/urandom > /dev/shm/x; sync",
    ]);
    const pid = await monitorOf(home.state, vm.info.id);
    if (ON_QEMU) {
      const maps = await readFile(`/proc/${pid}/maps`, "latin1");
      const fds = await Promise.all(
        (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")),
      );
      assert.doesNotMatch(
        [maps, ...fds].join("\n"),
        /banger\/warm/,
        "the monitor has nothing of the template open",
      );
    } else await assertReadOnly(pid, await only());
    await vm.delete();
    assert.deepEqual(await digests(), before);
    const next = await banger.create(SIZE);
    assert.equal(
      (await next.exec(["sh", "-c", "ls /etc/evil /root/evil /dev/shm 2>/dev/null"])).text,
      "/dev/shm:\n",
    );
    await next.delete();
  });

  test("is kept and forked, also by a later daemon: what it never used is not saved, and each copy is another machine", async () => {
    let banger = await home.connect();
    const vm = await banger.create(SIZE);
    await vm.exec(["sh", "-c", "echo here > /dev/shm/x"]);
    const kept = await vm.snapshot({ name: "warm" });
    const memory = kept.files.find(({ name }) => name === `memory/${MEMORY}`);
    assert.ok(memory);
    assert.equal(memory.size, 256 * MIB);
    assert.ok(kept.size_bytes < 230 * MIB, `${kept.size_bytes} bytes`);
    await home.run(["daemon", "stop"]);
    banger = await home.connect();
    const source = await banger.get(vm.id);
    await source.pause();
    const copies = [...(await source.fork()), await banger.restore("warm")];
    assert.equal((await source.refresh()).state, "paused", "a fork leaves it as it was");
    await source.resume();
    copies.push(...(await source.fork()));
    for (const copy of copies) assert.equal((await copy.exec(["cat", "/dev/shm/x"])).text, "here\n");
    const told = await Promise.all([source, ...copies].map(identity));
    for (const at of [0, 1, 2, 3])
      assert.equal(new Set(told.map((lines) => lines[at])).size, 4, `identity ${at}`);
    assert.equal((await source.exec(["cat", "/dev/shm/x"])).text, "here\n");
    await Promise.all([source, ...copies].map((each) => each.delete()));
    await banger.snapshots.delete("warm");
    await assertSound(banger, home);
  });

  test("is made when its start was cut off, with no identity of the template's", async () => {
    const point: Checkpoint = "warm.borrowed";
    await home.run(["daemon", "stop"]);
    await faults.connect();
    assert.equal(await faults.run(["vm", "create", "--no-start", "--name", "cut", ...SMALL]), 0);
    const template = (await only()).split("/").at(-1);
    faults.arm({ point, victim: "daemon" });
    assert.notEqual(await faults.run(["vm", "start", "cut"]), 0);
    const banger = await faults.connect();
    await assertSound(banger, home);
    const vm = await banger.get("cut");
    assert.equal(vm.state, "stopped");
    const other = await banger.create(SIZE);
    await vm.start({ wait: "system" });
    const [mine, theirs] = [await identity(vm), await identity(other)];
    for (const at of [0, 1, 2, 3]) assert.notEqual(mine[at], theirs[at]);
    assert.ok((await templates()).includes(template ?? ""));
    await Promise.all([vm.delete(), other.delete()]);
    assert.ok(
      WARM_CHECKPOINTS.every((each) => faults.passed().has(each)),
      "no checkpoint was left out",
    );
  });

  test("boots visibly when the template is damaged, which then goes; what templates take is told and can be pruned", async () => {
    const parts = JSON.parse((await home.run(["du", "--json"])).stdout) as Part[];
    assert.ok((parts.find(({ name }) => name === "warm")?.size_bytes ?? 0) > 10 * MIB);
    const memory = join(await only(), `state/${MEMORY}`);
    const file = await open(memory, "r+");
    await file.truncate((await stat(memory)).size / 2);
    await file.close();
    const result = await run("--", "echo", "up");
    assert.equal(result.stdout, "up\n", result.stderr);
    assert.match(
      result.stderr,
      ON_QEMU
        ? /template did not come up \(.*damaged.*\); booting instead/
        : /did not come up .*booting instead/,
    );
    assert.equal((await home.run(["cache", "prune"])).code, 0);
    await assertSound(await home.connect(), home);
    const left = await readdir(folder).catch(() => []);
    assert.deepEqual(left, []);
  });
});
