import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Kind } from "../../../src/vm/standby.ts";
import { WarmKeeper, type WarmSurroundings } from "../../../src/vm/warm-keeper.ts";
import { WarmTemplates } from "../../../src/vm/warm-templates.ts";
import type { Driver, LaunchSpec } from "../../../src/vmm/driver.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const key = (digit: string) => digit.repeat(64);
const request = (digit: string) => ({
  key: key(digit),
  name: digit,
  madeOf: [digit.toUpperCase(), "kernel"],
  driver: {} as Driver,
  spec: {} as LaunchSpec,
  kind: {} as Kind,
  publicKey: null,
});
const SIZE = 1_000_000;
/** Machines that are wanted. */
const ENOUGH = 4;
const quietLog = { info() {}, warn() {}, error() {} };

function keeper(t: TestContext, change: Partial<WarmSurroundings> = {}) {
  const templates = new WarmTemplates(temporaryFolder(t));
  const built: string[] = [];
  const waiting: string[] = [];
  const made = new WarmKeeper(templates, {
    build: async ({ name }, folder) => {
      built.push(name);
      await writeFile(join(folder, "content"), Buffer.alloc(SIZE, 1));
    },
    standby: async ({ name }) => waiting.length < ENOUGH && waiting.push(name) > 0,
    standDown: async () => void waiting.splice(0),
    limit: () => 10 * SIZE,
    busy: () => false,
    log: quietLog,
    quietMs: 1,
    patienceMs: 20,
    ...change,
  });
  return { templates, built, waiting, keeper: made };
}

test("what is wanted is made once, one after the other, and found", async (t) => {
  const { keeper: warm, built } = keeper(t);
  assert.equal(await warm.take(key("a")), null);
  for (const digit of ["a", "a", "b"]) warm.want(request(digit));
  await warm.idle();
  assert.deepEqual(built, ["a", "b"]);
  assert.match((await warm.take(key("a")))?.disk ?? "", new RegExp(key("a")));
  warm.want(request("a"));
  await warm.idle();
  assert.deepEqual(built, ["a", "b"]);
});

test("those used longest ago go when there is not room for all", async (t) => {
  const { keeper: warm, templates } = keeper(t, { limit: () => 2.5 * SIZE });
  for (const digit of ["a", "b", "c"]) {
    warm.want(request(digit));
    await warm.idle();
    await warm.take(key("a")); // in use all the time
  }
  assert.deepEqual(await Promise.all(["a", "b", "c"].map((digit) => templates.has(key(digit)))), [
    true,
    false,
    true,
  ]);
});

test("with an image or a kernel goes what is made of it, and what is being made", async (t) => {
  const { keeper: warm, templates } = keeper(t);
  for (const digit of ["a", "b"]) warm.want(request(digit));
  await warm.idle();
  const here = () => Promise.all(["a", "b"].map((digit) => templates.has(key(digit))));
  await warm.forget("A");
  assert.deepEqual(await here(), [false, true]);
  await warm.forget("kernel");
  assert.deepEqual(await here(), [false, false]);
});

test("with a limit of 0 none is made, and one that is there is not used", async (t) => {
  let limit = 10 * SIZE;
  const { keeper: warm, built } = keeper(t, { limit: () => limit });
  warm.want(request("a"));
  await warm.idle();
  limit = 0;
  assert.equal(await warm.take(key("a")), null);
  warm.want(request("b"));
  await warm.idle();
  assert.deepEqual(built, ["a"]);
});

test("what cannot be made is tried twice and leaves nothing; what alone takes too much, too", async (t) => {
  for (const failing of [
    { build: () => Promise.reject(new Error("no")) },
    { limit: () => SIZE / 2 },
  ] satisfies Partial<WarmSurroundings>[]) {
    let tries = 0;
    const { keeper: warm, templates } = keeper(t, { ...failing, log: { ...quietLog, warn: () => tries++ } });
    for (let round = 0; round < 4; round++) {
      warm.want(request("a"));
      await warm.idle();
    }
    assert.equal(tries, 2);
    assert.equal(await templates.has(key("a")), false);
  }
});

test("nothing is begun while a VM is used, until that has lasted too long; a stop ends what is being made", async (t) => {
  let busy = true;
  const { keeper: warm, built } = keeper(t, { busy: () => busy, patienceMs: 60_000 });
  warm.want(request("a"));
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(built, []);
  busy = false;
  warm.calmed();
  await warm.idle();
  assert.deepEqual(built, ["a"]);

  const begun = Promise.withResolvers<void>();
  const stuck = keeper(t, {
    build: (_, __, { signal }) =>
      new Promise((_, reject) => {
        begun.resolve();
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  });
  stuck.keeper.want(request("a"));
  await begun.promise;
  await stuck.keeper.stop();
  assert.equal(await stuck.templates.has(key("a")), false);
});

test("machines of the kind that was wanted last stand by, brought up until there are enough", async (t) => {
  const { keeper: warm, waiting } = keeper(t);
  for (const digit of ["b", "a", "b"]) warm.want(request(digit));
  await warm.idle();
  assert.deepEqual(waiting, ["b", "b", "b", "b"]);
  await warm.stop();
  assert.deepEqual(waiting, []);
});

test("when somebody comes no further machine is brought up until it is quiet again", async (t) => {
  let busy = false;
  const second = Promise.withResolvers<void>();
  const waiting: string[] = [];
  const { keeper: warm } = keeper(t, {
    standby: async ({ name }) => {
      waiting.push(name);
      if (waiting.length === 2) {
        busy = true;
        second.resolve();
      }
      if (waiting.length === 3) warm.want(request("b"));
      return name === "a";
    },
    busy: () => busy,
    patienceMs: 60_000,
  });
  warm.want(request("a"));
  await second.promise;
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(waiting, ["a", "a"]);
  busy = false;
  warm.calmed();
  await warm.idle();
  assert.deepEqual(waiting, ["a", "a", "a", "b"], "and those of another kind come in its place");
});

test("who uses a VM all the time delays machines once, not each of them", async (t) => {
  const patienceMs = 500;
  const { keeper: warm, waiting } = keeper(t, { busy: () => true, patienceMs });
  warm.want(request("a"));
  const begun = Date.now();
  await warm.idle();
  assert.equal(waiting.length, ENOUGH);
  assert.ok(Date.now() - begun < ENOUGH * patienceMs);
});

test("a stop while machines are brought up ends the one that is being made, and no other follows", async (t) => {
  const begun = Promise.withResolvers<void>();
  let calls = 0;
  const { keeper: warm } = keeper(t, {
    standby: (_, __, signal) =>
      new Promise((resolve) => {
        calls++;
        begun.resolve();
        signal.addEventListener("abort", () => resolve(true));
      }),
  });
  warm.want(request("a"));
  await begun.promise;
  await warm.stop();
  await warm.idle();
  assert.equal(calls, 1);
});
