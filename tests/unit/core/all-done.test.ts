import assert from "node:assert/strict";
import { test } from "node:test";
import { allDone } from "../../../src/core/all-done.ts";

test("gives the results in order", async () => {
  const late = Promise.withResolvers<string>();
  const all = allDone([late.promise, 2, undefined]);
  late.resolve("one");
  assert.deepEqual(await all, ["one", 2, undefined]);
});

test("fails with the first failure, when all is over", async () => {
  const late = Promise.withResolvers<never>();
  let over = false;
  const all = allDone([late.promise, Promise.reject(new Error("second"))]).finally(() => {
    over = true;
  });
  all.catch(() => {});
  await new Promise(setImmediate);
  assert.equal(over, false);
  late.reject(new Error("first"));
  await assert.rejects(all, { message: "first" });
});
