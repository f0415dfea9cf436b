import assert from "node:assert/strict";
import { test } from "node:test";
import type { Work } from "../../../src/core/stage.ts";
import { SharedWork } from "../../../src/host/shared-work.ts";

/** Somebody who waits: what they were told, and how to make them leave. */
function caller() {
  const told: string[] = [];
  const abort = new AbortController();
  const work: Work = {
    signal: abort.signal,
    report: {
      stage: (name, detail) => void told.push(detail ? `${name} (${detail})` : name),
      progress: ({ done }) => void told.push(`progress ${done}`),
      notice: (text) => void told.push(`notice ${text}`),
    },
  };
  return { told, abort, work };
}

test("the same work asked for twice at once is done once; both see it and get the result", async () => {
  const shared = new SharedWork<number>();
  const [first, second] = [caller(), caller()];
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  let times = 0;
  const start = async ({ report }: Work) => {
    times++;
    report.stage("building", "debian");
    begun.resolve();
    await gate.promise;
    report.progress({ done: 5, unit: "bytes" });
    report.notice("nearly");
    return 42;
  };
  const one = shared.run("debian", first.work, start);
  await begun.promise;
  const two = shared.run("debian", second.work, start);
  gate.resolve();
  assert.deepEqual(await Promise.all([one, two]), [42, 42]);
  assert.equal(times, 1);
  assert.deepEqual(first.told, ["building (debian)", "progress 5", "notice nearly"]);
  assert.deepEqual(second.told, first.told, "a late watcher is told the stage");
});

test("different work runs side by side, and the same work again later is done again", async () => {
  const shared = new SharedWork<string>();
  const gate = Promise.withResolvers<void>();
  const slow = shared.run("a", caller().work, () => gate.promise.then(() => "a"));
  assert.equal(await shared.run("b", caller().work, async () => "b"), "b");
  gate.resolve();
  assert.equal(await slow, "a");
  assert.equal(await shared.run("a", caller().work, async () => "again"), "again");
});

test("one who leaves does not end the work of the others; the last one does", async () => {
  const shared = new SharedWork<string>();
  const [first, second] = [caller(), caller()];
  const inner = Promise.withResolvers<AbortSignal>();
  const start = ({ signal }: Work) => {
    inner.resolve(signal);
    return new Promise<string>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  };
  const one = shared.run("a", first.work, start);
  const two = shared.run("a", second.work, start);
  const signal = await inner.promise;
  first.abort.abort(new Error("first left"));
  await assert.rejects(one, /first left/);
  assert.equal(signal.aborted, false);
  second.abort.abort(new Error("second left"));
  await assert.rejects(two, /second left/);
  assert.equal(signal.aborted, true);
  assert.equal(await shared.run("a", caller().work, async () => "anew"), "anew");
});

test("a failure reaches everybody and is not remembered", async () => {
  const shared = new SharedWork<string>();
  const gate = Promise.withResolvers<void>();
  const start = () =>
    gate.promise.then(() => {
      throw new Error("no mirror");
    });
  const both = [shared.run("a", caller().work, start), shared.run("a", caller().work, start)];
  gate.resolve();
  for (const result of await Promise.allSettled(both))
    assert.match(String(result.status === "rejected" && result.reason), /no mirror/);
  assert.equal(await shared.run("a", caller().work, async () => "fine"), "fine");
});

test("one who has left before starts nothing", async () => {
  const shared = new SharedWork<string>();
  const { work, abort } = caller();
  abort.abort(new Error("gone"));
  let started = false;
  await assert.rejects(
    shared.run("a", work, async () => {
      started = true;
      return "";
    }),
    /gone/,
  );
  assert.equal(started, false);
});
