import assert from "node:assert/strict";
import { test } from "node:test";
import { Slots } from "../../../src/core/slots.ts";

const never = new AbortController().signal;
const soon = () => new Promise((resolve) => setImmediate(resolve));

test("as many as there is room for go on, the others in the order in which they came", async () => {
  const slots = new Slots(2);
  const order: number[] = [];
  const held = await Promise.all([slots.take(never), slots.take(never)]);
  const waiting = [1, 2].map((name) => slots.take(never).then((slot) => ({ slot, told: order.push(name) })));
  await soon();
  assert.deepEqual([order, slots.taken], [[], 2]);
  held[0]?.[Symbol.dispose]();
  const { slot } = (await waiting[0]) ?? assert.fail();
  await soon();
  assert.deepEqual(order, [1]);
  slot[Symbol.dispose]();
  await waiting[1];
  assert.deepEqual(order, [1, 2]);
  held[1]?.[Symbol.dispose]();
  assert.equal(slots.taken, 1);
});

test("who gives up while waiting holds up nobody", async () => {
  const slots = new Slots(1);
  const held = await slots.take(never);
  const impatient = new AbortController();
  const given = slots.take(impatient.signal);
  const next = slots.take(never);
  impatient.abort(new Error("enough"));
  await assert.rejects(given, /enough/);
  await assert.rejects(slots.take(impatient.signal), /enough/);
  held[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  (await slots.take(never))[Symbol.dispose]();
});
