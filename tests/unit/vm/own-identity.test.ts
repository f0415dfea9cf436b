import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { GuestSession } from "../../../src/guest/index.ts";
import type { VmContext } from "../../../src/vm/context.ts";
import { keepIdentity } from "../../../src/vm/own-identity.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A VM that got its identity a moment ago. */
function started(t: TestContext, { borrowed = true, fails = false } = {}) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const record = { borrowed };
  const told = { syncs: 0, warnings: 0 };
  const ended = Promise.withResolvers<void>();
  const session = {
    closed: ended.promise,
    request: async () => {
      told.syncs++;
      if (fails) throw new Error("gone");
      return {};
    },
  } as unknown as GuestSession;
  const context = {
    vms: { get: () => record, update: (_: string, change: object) => Object.assign(record, change) },
    log: { warn: () => told.warnings++ },
  } as unknown as VmContext;
  keepIdentity(context, "vm-1", session);
  return { record, told, end: ended.resolve };
}

test("a copy's identity is its own once its guest has written it, which it does by itself", async (t) => {
  const { record, told } = started(t);
  t.mock.timers.tick(1000);
  await turn();
  assert.deepEqual([told.syncs, record.borrowed], [0, true]);
  t.mock.timers.tick(1000);
  await turn();
  assert.deepEqual([told.syncs, record.borrowed], [1, false]);
});

test("one whose guest has ended or cannot write gets another one at its next start", async (t) => {
  const { record, told, end } = started(t);
  end();
  await turn();
  t.mock.timers.tick(5000);
  await turn();
  assert.deepEqual([told.syncs, record.borrowed], [0, true]);
  t.mock.timers.reset();

  const broken = started(t, { fails: true });
  t.mock.timers.tick(5000);
  await turn();
  assert.deepEqual([broken.told.warnings, broken.record.borrowed], [1, true]);
});

test("a machine that is no copy has nothing to keep", async (t) => {
  const { told } = started(t, { borrowed: false });
  t.mock.timers.tick(5000);
  await turn();
  assert.equal(told.syncs, 0);
});
