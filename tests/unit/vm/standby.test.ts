import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { type TestContext, test } from "node:test";
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
const never = new AbortController().signal;
const request = (key: string, kind: Kind = KIND) => ({ key, kind, name: key }) as WarmRequest;

/** Machines that only know whether they were ended. */
function stage(t: TestContext, allowed = true) {
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
    return { id, kind, key, name, live };
  };
  const standby = new Standby(
    { paths, vms, log: quiet, forgetConsole: () => {} },
    { make, allowed: () => allowed },
  );
  const folder = (id: string) => existsSync(vmDirectory(paths, id));
  return { standby, ended, folder, records, exits };
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
  const { standby, ended, folder } = stage(t);
  await standby.prepare(request("a"), template, never);
  await standby.prepare(request("a"), template, never);
  assert.equal(standby.name, "a");
  assert.equal(standby.claim({ ...WISH, vcpu: 3 }), null);
  await standby.prepare(request("b"), template, never);
  assert.deepEqual([standby.name, ended, folder("vm-1")], ["b", ["vm-1"], false]);
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

test("none stands by where that is not allowed, where memory is short, or once its monitor has ended", async (t) => {
  const off = stage(t, false);
  await off.standby.prepare(request("a"), template, never);
  assert.equal(off.standby.name, null);

  const { standby, ended, exits } = stage(t);
  await standby.prepare(request("a", { ...KIND, memoryMib: 2 ** 40 }), template, never);
  assert.equal(standby.name, null);
  await standby.prepare(request("a"), template, never);
  exits.get("vm-1")?.();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([standby.name, ended], [null, ["vm-1"]]);
});
