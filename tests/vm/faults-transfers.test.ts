/** Daemon, monitor and client are killed while something is copied or obtained: no part of it is left, and the next try works. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { type Checkpoint, COPY_CHECKPOINTS, SUPPLY_CHECKPOINTS } from "../../src/core/checkpoints.ts";
import type { Sandbox } from "../../src/sdk/index.ts";
import { Faults, untilHolds } from "../support/faults.ts";
import { makeHome } from "../support/home.ts";
import { patient } from "../support/patience.ts";
import { ScriptedRegistry } from "../support/scripted-registry.ts";
import { assertSound, settled } from "../support/soundness.ts";

const LARGE = randomBytes(12_000_000);
const PATIENCE_MS = patient(60_000);

describe("killed while something is transferred", async () => {
  const home = await makeHome();
  // Open to all, as builds in a user namespace need it.
  const temporary = mkdtempSync(join(tmpdir(), "banger-build-"));
  chmodSync(temporary, 0o755);
  home.env.TMPDIR = temporary;
  after(() => rmSync(temporary, { recursive: true }));
  const faults = new Faults(home);
  const works = async (...act: string[]) => assert.equal(await faults.run(act), 0, act.join(" "));

  test("copies: what is on either side is whole", async () => {
    const [source, out] = [join(home.path, "large"), join(home.path, "out")];
    writeFileSync(source, LARGE);
    mkdirSync(out);
    let banger = await faults.connect();
    await works("vm", "create", "--name", "box", "--vcpu", "1", "--memory", "256M", "--disk-size", "256M");
    let vm = await banger.get("box");
    await vm.files.mkdir("/root/in");
    await vm.files.write("/root/large", LARGE);
    await vm.exec(["sync"]);
    const goingIn = ["vm", "cp", source, "box:/root/in/large"];
    const comingOut = ["vm", "cp", "box:/root/large", join(out, "large")];
    const inGuest = async () => (await vm.files.list("/root/in")).map(({ name, size }) => [name, size]);
    const onHost = () => readdirSync(out).map((name) => [name, readFileSync(join(out, name)).length]);
    /** Nothing there, or all of it. */
    const isWhole = (found: (string | number)[][]) =>
      found.every(([name, size]) => name === "large" && size === LARGE.length);
    const again = async () => {
      await works(...goingIn);
      assert.ok((await vm.files.read("/root/in/large")).equals(LARGE));
      await vm.files.remove("/root/in/large");
      writeFileSync(join(out, "large"), "");
      await works(...comingOut);
      assert.ok(readFileSync(join(out, "large")).equals(LARGE));
    };

    for (const point of COPY_CHECKPOINTS) {
      banger = await faults.cutOff(point, point.startsWith("upload") ? goingIn : comingOut);
      vm = await banger.get("box");
      assert.equal(vm.state, "running");
      await untilInGuest(vm, "/root/in", async () => isWhole(await inGuest()));
      assert.ok(isWhole(onHost()), `${point}: ${onHost()}`);
    }
    await again();

    await faults.leave("upload.opened", goingIn);
    await untilInGuest(vm, "/root/in", async () => isWhole(await inGuest()));
    writeFileSync(join(out, "large"), LARGE);
    await faults.leave("download.opened", comingOut);
    await untilHolds("no part of a file", out, async () => isWhole(onHost()));
    await again();
    await assertSound(banger, home);

    const old = Buffer.from("the old one");
    await vm.files.write("/root/in/large", old);
    await vm.exec(["sync"]);
    for (const point of ["upload.opened", "download.opened"] as const) {
      await faults.shoot(vm, point, point.startsWith("upload") ? goingIn : comingOut);
      assert.equal((await vm.refresh()).state, "stopped");
      assert.ok(isWhole(onHost()), `${point}: ${onHost()}`);
      await vm.start();
      assert.deepEqual(await inGuest(), [["large", old.length]], `${point}: the guest has what it had`);
    }
    await again();
    await vm.delete();
  });

  test("an image of a registry", async () => {
    await using registry = await ScriptedRegistry.start();
    const layer = await registry.layerOf([
      { path: "etc/" },
      { path: "etc/large", content: LARGE.subarray(0, 2_000_000) },
    ]);
    const ref = registry.image("one", [layer]);
    const pull = ["image", "pull", ref];
    let banger = await faults.connect();
    const named = async () => (await banger.images.list()).filter(({ name }) => name === ref).length;
    const fails = async (point: Checkpoint) => {
      banger = await faults.cutOff(point, pull);
      // One that was put in place already is whole; it only lacks the name.
      if (point !== "store.placed") assert.equal(await named(), 0, point);
      await works(...pull);
      assert.equal(await named(), 1, point);
      await works("image", "delete", ref);
    };
    await fails("layer.arrived");
    // The layer is here from now on, so that it is the image that is stored.
    for (const point of ["image.packing", "store.begun", "store.filled", "store.placed"] as const)
      await fails(point);

    await works("cache", "prune");
    await faults.leave("layer.arrived", pull);
    await settled(banger);
    assert.equal(await named(), 1, "goes on without its client");
    await assertSound(banger, home);
  });

  test("a kernel, and an image that is built", async () => {
    await faults.connect();
    await works("kernel", "delete", "debian-cloud");
    let banger = await faults.cutOff("kernel.downloaded", ["kernel", "pull", "debian-cloud"]);
    assert.deepEqual(await banger.kernels.list(), []);
    await works("kernel", "pull", "debian-cloud");
    await works("image", "delete", "debian-slim");
    banger = await faults.cutOff("build.running", ["image", "pull", "debian-slim"]);
    assert.deepEqual(readdirSync(temporary), [], "the tree that was being made is gone");
    assert.equal((await banger.images.list()).filter(({ name }) => name === "debian-slim").length, 0);
  });

  test("no point was left out", () => {
    const all = [...COPY_CHECKPOINTS, ...SUPPLY_CHECKPOINTS];
    assert.deepEqual([...faults.killed].sort(), all.sort());
  });
});

/** Resolves when `holds` does; looks whenever something changes in a guest's folder. */
async function untilInGuest(vm: Sandbox, folder: string, holds: () => Promise<boolean>): Promise<void> {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(PATIENCE_MS)]);
  const opened = Promise.withResolvers<void>();
  const changes = vm.files.watch(folder, { signal, onOpen: opened.resolve });
  try {
    let next = changes.next();
    await Promise.race([opened.promise, next]);
    while (!(await holds())) {
      if ((await next).done) assert.fail(`a part of a file stays in ${folder}`);
      next = changes.next();
    }
  } finally {
    over.abort();
  }
}
