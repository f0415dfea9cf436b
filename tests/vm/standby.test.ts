/** Machines that stand by: how many, who gets one and who does not, that its VM is like any other, and what is left when a daemon dies over it. */
import assert from "node:assert/strict";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { STANDBY_CHECKPOINTS } from "../../src/core/checkpoints.ts";
import { MIB } from "../../src/core/units.ts";
import type { CreateOptions, FollowOptions, OperationEvent, Vm } from "../../src/sdk/index.ts";
import { configureHome } from "../support/command.ts";
import { Faults, untilHolds } from "../support/faults.ts";
import { makeHome } from "../support/home.ts";
import { identity } from "../support/identity.ts";
import { monitorsOf } from "../support/monitors.ts";
import { assertSound } from "../support/soundness.ts";

const SIZE = { vcpu: 1, memoryMib: 256, diskBytes: 512 * MIB } as const;
const SMALL = ["--vcpu", "1", "--memory", "256M", "--disk-size", "512M"];
const CONFIG = 'warm_cache = "1G"\n';

describe("a machine that stands by", async () => {
  const home = await makeHome();
  await configureHome(home.path, `${CONFIG}standby = 2\n`);
  await rm(join(home.path, ".cache/banger/warm"), { recursive: true, force: true }); // none that a seed may have
  const faults = new Faults(home);
  const vms = join(home.state, "vms");

  /** The ids of so many and no more; waits for them. */
  async function standing(machines: number): Promise<string[]> {
    const banger = await faults.connect();
    const there = async () => ((await banger.status()).standby?.machines ?? 0) >= machines;
    await untilHolds(`${machines} stand by`, home.state, there); // the daemon's log says when one is there
    const known = (await banger.list()).map((vm) => vm.id);
    const ids = (await readdir(vms)).filter((name) => !known.includes(name));
    assert.equal(ids.length, machines);
    return ids.sort();
  }

  const create = async (options: CreateOptions = {}, following: FollowOptions = {}) =>
    (await faults.connect()).create({ ...SIZE, ...options }, following);

  test("is there after the first VMs of a kind, as many as were started together, is in no list, and becomes the next one: another machine, as it was asked for", async () => {
    const [first, second] = await Promise.all([create(), create()]);
    assert.deepEqual([first.info.start, second.info.start], ["cold", "cold"]);
    await second.delete();
    const one = await standing(2);
    for (const id of one) assert.ok((await monitorsOf(home.state, id)).length > 0);
    const [{ stdout }, beside] = await Promise.all([
      home.run(["vm", "run", "-q", "--json", "-d", ...SMALL, "--name", "next", "-e", "TOLD=yes"]),
      create(),
    ]);
    const vm = JSON.parse(stdout) as Vm;
    assert.deepEqual([vm.start, beside.info.start], ["warm", "warm"]);
    assert.deepEqual([vm.id, beside.id].sort(), one);
    const next = await (await faults.connect()).get("next");

    const two = await standing(2);
    const stages: unknown[] = [];
    const onEvent = (event: OperationEvent) => void (event.type === "stage" && stages.push(event.detail));
    const pair = await Promise.all([create({}, { onEvent }), create({}, { onEvent })]);
    assert.deepEqual(pair.map((one) => one.id).sort(), two);
    assert.equal(stages.filter((detail) => detail === "from standby").length, 2);
    const told = await Promise.all([first, next, beside, ...pair].map(identity));
    for (const at of [0, 1, 2, 3])
      assert.equal(new Set(told.map((lines) => lines[at])).size, 5, `identity ${at}`);
    assert.equal(told[1]?.at(-1), "next");
    await pair[0].kill();
    await pair[0].start();
    assert.equal(
      (await identity(pair[0]))[0],
      told[3]?.[0],
      "what it is was on its disk before it was taken",
    );
    const behind = Date.now() / 1000 - Number((await pair[1].exec(["date", "+%s.%N"])).text);
    assert.ok(Math.abs(behind) < 5, `the clock is ${behind} s behind`);
    assert.match(await pair[1].waitSystem(), /^(running|degraded)$/);

    await next.files.write("/root/note", "kept");
    await home.killDaemon();
    const again = await (await faults.connect()).get("next");
    assert.equal(await again.files.readText("/root/note"), "kept", "a later daemon finds it like any other");
    await again.stop();
    await again.start();
    assert.equal(again.info.start, "cold");
    assert.equal((await identity(again))[0], told[1]?.[0], "it stays the machine that it became");
    for (const one of await (await faults.connect()).list()) await one.delete();
    await configureHome(home.path, `${CONFIG}standby = 1\n`); // however many are started together
  });

  test("waits on for a VM of its kind while others come", async () => {
    await (await create()).delete();
    const [id] = await standing(1);
    const others = [
      await create({ start: false }),
      await create({ cold: true }),
      await create({ memoryMib: 320 }),
      await create({ diskRate: { bytesPerSecond: 100 * MIB } }),
    ];
    for (const vm of others) assert.notEqual(vm.id, id);
    for (const vm of others) await vm.delete();
  });

  test("goes when it is switched off, with what it was made of, and with its daemon", async () => {
    await (await create()).delete();
    await standing(1);
    assert.equal((await home.run(["cache", "prune"])).code, 0);
    await assertSound(await faults.connect(), home);

    await (await create()).delete();
    await standing(1);
    assert.equal((await home.run(["daemon", "stop"])).code, 0);
    await assertSound(await faults.connect(), home);

    await (await create()).delete();
    await standing(1);
    await home.killDaemon();
    await assertSound(await faults.connect(), home);
  });

  test("leaves nothing when a daemon dies over it, and a VM that had taken it goes on", async () => {
    for (const point of ["standby.launched", "standby.ready"] as const) {
      await faults.connect();
      const fault = { point, victim: "daemon" } as const;
      faults.arm(fault);
      await faults.run(["vm", "create", "--name", "box", ...SMALL]);
      await faults.untilHappened(fault);
      const banger = await faults.connect();
      await assertSound(banger, home);
      await (await banger.get("box")).delete();
    }
    await (await create()).delete();
    const [id] = await standing(1);
    faults.arm({ point: "standby.taken", victim: "daemon" });
    assert.notEqual(await faults.run(["vm", "create", "--name", "cut", ...SMALL]), 0);
    const banger = await faults.connect();
    await configureHome(home.path, `${CONFIG}standby = 0\n`);
    const cut = await banger.get("cut");
    assert.equal(cut.id, id);
    for (const { id: operation } of await banger.operations.list())
      await banger.operations.follow(operation).catch(() => {});
    assert.equal((await cut.exec(["hostname"])).text, "cut\n");
    await cut.delete();
    await (await banger.create(SIZE)).delete();
    await assertSound(banger, home);
    assert.ok(
      STANDBY_CHECKPOINTS.every((each) => faults.passed().has(each)),
      "no checkpoint was left out",
    );
  });
});
