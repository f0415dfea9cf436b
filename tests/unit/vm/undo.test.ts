import assert from "node:assert/strict";
import { test } from "node:test";
import { UndoStack } from "../../../src/vm/undo.ts";

test("everything is taken back, newest first, each once", async () => {
  const undo = new UndoStack();
  const order: number[] = [];
  for (const step of [1, 2, 3]) undo.push(async () => void order.push(step));
  assert.deepEqual(await undo.unwind(), []);
  assert.deepEqual(order, [3, 2, 1]);
  assert.deepEqual(await undo.unwind(), []);
  assert.deepEqual(order, [3, 2, 1]);
});

test("a step that fails does not keep the others from being taken back", async () => {
  const undo = new UndoStack();
  const order: number[] = [];
  undo.push(() => void order.push(1));
  undo.push(() => {
    throw new Error("thrown");
  });
  undo.push(() => Promise.reject(new Error("rejected")));
  const failures = await undo.unwind();
  assert.deepEqual(order, [1]);
  assert.deepEqual(
    failures.map((failure) => (failure as Error).message),
    ["rejected", "thrown"],
  );
});
