/** Many use supplies at once; one alone cleans. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Supplies } from "../../../src/host/supplies.ts";

const never = new AbortController().signal;

test("cleaning waits for all who use, and holds nobody up while it waits", async () => {
  const supplies = new Supplies();
  const done: string[] = [];
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const one = supplies.use(() => first.promise);
  const cleaned = supplies.clean(never, async () => done.push("cleaned"));
  const two = supplies.use(() => second.promise); // comes while the cleaner waits, and begins at once
  first.resolve();
  await one;
  assert.deepEqual(done, []);
  second.resolve();
  await two;
  await cleaned;
  assert.deepEqual(done, ["cleaned"]);
});

test("who comes while it is cleaned waits; cleanings come one after the other; failures do not block", async () => {
  const supplies = new Supplies();
  const order: string[] = [];
  const brush = Promise.withResolvers<void>();
  const first = supplies.clean(never, () => brush.promise.then(() => order.push("first")));
  const second = supplies.clean(never, async () => {
    order.push("second");
    throw new Error("broken");
  });
  const used = supplies.use(async () => order.push("used"));
  assert.deepEqual(order, []);
  brush.resolve();
  await first;
  await assert.rejects(second, /broken/);
  await used;
  assert.deepEqual(order.toSorted(), ["first", "second", "used"]);
  assert.equal(order[0], "first");
  assert.equal(await supplies.use(async () => "goes on"), "goes on");
});

test("a cleaner whose client has left gives up waiting", async () => {
  const supplies = new Supplies();
  const held = Promise.withResolvers<void>();
  const user = supplies.use(() => held.promise);
  const left = new AbortController();
  const cleaned = supplies.clean(left.signal, async () => assert.fail("nobody wants it any more"));
  left.abort(new Error("left"));
  await assert.rejects(cleaned, /left/);
  held.resolve();
  await user;
});
