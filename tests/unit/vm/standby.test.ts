import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { MIB } from "../../../src/core/units.ts";
import { resolvePaths, vmDirectory } from "../../../src/host/paths.ts";
import type { VmRecord, VmRepository } from "../../../src/store/vms.ts";
import type { LiveVm } from "../../../src/vm/live-vm.ts";
import { fits, type Kind, Standby, type StandbyMachine, type Wish } from "../../../src/vm/standby.ts";
import type { WarmRequest } from "../../../src/vm/warm-build.ts";
import type { WarmTemplate } from "../../../src/vm/warm-templates.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const KIND: Kind = {
  imageName: "debian-slim",
  imageDigest: "image",
  kernelName: "debian-cloud",
  kernelDigest: "kernel",
  driver: "qemu",
  vcpu: 1,
  memoryMib: 1,
  diskBytes: 1,
  nested: false,
};
const WISH: Wish = {
  image: "debian-slim",
  kernel: undefined,
  driver: "auto",
  vcpu: 1,
  memoryMib: 1,
  diskBytes: 1,
  nested: false,
};
const quiet = { info() {}, warn() {}, error() {} };
const template = {} as WarmTemplate;
/** Of each. */
const TAKES = 200 * MIB;
const never = new AbortController().signal;
const request = (key: string, kind: Kind = KIND) => ({ key, kind, name: key }) as WarmRequest;

/** Where nothing is spared for those whom nobody has asked for. */
const LITTLE = 2048 * MIB;

/** Machines that only know whether they were ended. */
function stage(t: TestContext, initially = 8, freeMemory = LITTLE) {
  let most = initially;
  const home = temporaryFolder(t);
  const paths = resolvePaths({ HOME: home });
  const ended: string[] = [];
  const records = new Set<string>();
  const vms = {
    get: (id: string) => (records.has(id) ? {} : undefined),
    update: () => {},
  } as unknown as VmRepository;
  let count = 0;
  const exits = new Map<string, () => void>();
  const make = async ({ key, kind, name }: WarmRequest): Promise<StandbyMachine> => {
    const id = `vm-${++count}`;
    mkdirSync(vmDirectory(paths, id), { recursive: true });
    const { promise: exited, resolve } = Promise.withResolvers<void>();
    exits.set(id, resolve);
    const live = { exited, kill: async () => void ended.push(id) } as unknown as LiveVm;
    return { id, kind, key, name, borrowed: false, live };
  };
  const standby = new Standby(
    { paths, vms, log: quiet, forgetConsole: () => {} },
    { make, most: () => most, freeMemory: () => freeMemory - TAKES * (standby.present?.machines ?? 0) },
  );
  const folder = (id: string) => existsSync(vmDirectory(paths, id));
  /** As the keeper does. */
  const fill = async (key: string) => {
    while (await standby.prepare(request(key), template, never));
    return standby.present?.machines ?? 0;
  };
  const started = (key: string, times: number) => {
    for (let at = 0; at < times; at++) standby.started(key);
  };
  const allow = (machines: number) => (most = machines);
  return { standby, ended, folder, records, exits, fill, started, allow };
}

test("a machine fits a VM of its image and sizes, by whatever driver and kernel that leaves open", () => {
  assert.ok(fits(KIND, WISH));
  assert.ok(fits(KIND, { ...WISH, kernel: "debian-cloud", driver: "qemu" }));
  for (const other of [
    { image: "alpine" },
    { kernel: "generic" },
    { driver: "firecracker" },
    { vcpu: 2 },
    { memoryMib: 2 },
    { diskBytes: 2 },
    { nested: true },
  ])
    assert.ok(!fits(KIND, { ...WISH, ...other }), JSON.stringify(other));
});

test("one stands by until it is claimed; another kind takes its place, the same kind does not", async (t) => {
  const { standby, ended, folder, fill } = stage(t);
  await fill("a");
  await fill("a");
  assert.deepEqual(standby.present, { name: "a", machines: 1 });
  assert.equal(standby.claim({ ...WISH, vcpu: 3 }), null);
  await fill("b");
  assert.deepEqual([standby.present?.name, ended, folder("vm-1")], ["b", ["vm-1"], false]);
  assert.equal(standby.claim(WISH), "vm-2");
  assert.equal(standby.claim(WISH), null, "it is somebody's now");
  await standby.drop();
  assert.deepEqual(ended, ["vm-1"], "what is claimed is not dropped");
});

test("a claimed machine is taken by a VM of exactly its kind and template, and ended otherwise", async (t) => {
  const { standby, ended, folder, records } = stage(t);
  const claim = async () => {
    await standby.prepare(request("a"), template, never);
    return standby.claim(WISH) ?? "";
  };
  const record = (id: string, more: Partial<Kind> = {}) => ({ ...KIND, ...more, id }) as VmRecord;

  const taken = await claim();
  assert.equal((await standby.confirm(record(taken)))?.id, taken);
  assert.equal((await standby.take(taken, "a"))?.id, taken);
  await standby.release(taken);
  assert.deepEqual([ended, folder(taken)], [[], true], "it is the VM's");

  const otherImage = await claim();
  assert.equal(await standby.confirm(record(otherImage, { imageDigest: "newer" })), null);
  assert.deepEqual([ended, folder(otherImage)], [[otherImage], false]);

  const otherTemplate = await claim();
  assert.ok(await standby.confirm(record(otherTemplate)));
  records.add(otherTemplate);
  assert.equal(await standby.take(otherTemplate, "b"), null);
  assert.deepEqual([ended.at(-1), folder(otherTemplate)], [otherTemplate, true], "the VM keeps its folder");

  const abandoned = await claim();
  await standby.release(abandoned);
  assert.deepEqual([ended.at(-1), folder(abandoned)], [abandoned, false]);
});

test("as many stand by as were started together, the oldest is claimed first, and what is missing is made up for", async (t) => {
  const { standby, ended, fill, started } = stage(t, 4);
  started("a", 3);
  assert.equal(await fill("a"), 3);
  assert.deepEqual([standby.claim(WISH), standby.claim(WISH)], ["vm-1", "vm-2"]);
  assert.equal(await fill("a"), 3);
  started("a", 30);
  assert.equal(await fill("a"), 4, "no more than may");
  assert.deepEqual([standby.claim(WISH), ended], ["vm-3", []]);
  started("b", 2);
  assert.equal(await fill("b"), 2);
  assert.deepEqual(ended, ["vm-4", "vm-5", "vm-6"]);
  assert.equal(
    await fill("a"),
    4,
    "what was started together is known, though another kind was wanted meanwhile",
  );
});

test("as many stand by as a tenth of the free memory holds, whether or not so many were started together", async (t) => {
  for (const [gib, machines] of [
    [1, 1],
    [6, 3],
    [64, 8],
  ] as const) {
    const { fill, standby } = stage(t, 8, gib * 1024 * MIB);
    assert.equal(await fill("a"), machines, `${gib} GiB`);
    standby.claim(WISH);
    assert.equal(await fill("a"), machines, `${gib} GiB, when one is a VM`);
  }
  const { fill, started } = stage(t, 8, 6 * 1024 * MIB);
  started("a", 5);
  assert.equal(await fill("a"), 5, "more, when more are started together");
});

test("when fewer may stand by the oldest go; none stands by where none may, or where memory is short", async (t) => {
  const { standby, ended, fill, started, allow } = stage(t);
  started("a", 3);
  await fill("a");
  allow(2);
  assert.equal(await fill("a"), 2);
  assert.deepEqual(ended, ["vm-1"]);
  allow(0);
  assert.equal(await fill("a"), 0);
  assert.deepEqual([standby.present, ended], [null, ["vm-1", "vm-2", "vm-3"]]);

  const short = stage(t);
  const large = request("a", { ...KIND, memoryMib: LITTLE / MIB / 2 + 1 });
  assert.equal(await short.standby.prepare(large, template, never), false);
  assert.equal(short.standby.present, null);
});

test("one that dies goes alone, each has ten minutes, and all are dropped together", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { standby, ended, folder, exits, fill, started } = stage(t);
  const moment = () => new Promise((resolve) => setImmediate(resolve));
  await fill("a");
  t.mock.timers.tick(5 * 60_000);
  started("a", 4);
  await fill("a");
  exits.get("vm-2")?.();
  await moment();
  assert.deepEqual([standby.present?.machines, ended], [3, ["vm-2"]]);
  t.mock.timers.tick(5 * 60_000);
  await moment();
  assert.deepEqual([standby.present?.machines, ended], [2, ["vm-2", "vm-1"]]);
  exits.get("vm-1")?.();
  await standby.drop();
  assert.deepEqual([standby.present, ended], [null, ["vm-2", "vm-1", "vm-3", "vm-4"]]);
  assert.ok(["vm-1", "vm-2", "vm-3", "vm-4"].every((id) => !folder(id)));
});
