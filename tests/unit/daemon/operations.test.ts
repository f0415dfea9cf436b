import assert from "node:assert/strict";
import { test } from "node:test";
import type { OperationEvent } from "../../../src/api/schemas.ts";
import { operation as operationSchema } from "../../../src/api/schemas.ts";
import { BangerError } from "../../../src/core/errors.ts";
import type { Work } from "../../../src/core/stage.ts";
import { Operations } from "../../../src/daemon/operations.ts";

const quiet = { info() {}, warn() {}, error() {} };

/** Events until the end. */
function follow(operations: Operations, id: string): Promise<OperationEvent[]> {
  return new Promise((resolve) => {
    const events: OperationEvent[] = [];
    operations.follow(id, (event) => {
      events.push(event);
      if (event.type === "end") resolve(events);
    });
  });
}

const names = (events: readonly OperationEvent[]) =>
  events.map((event) => {
    if (event.type === "stage") return `stage ${event.name}${event.detail ? ` (${event.detail})` : ""}`;
    if (event.type === "notice") return `notice ${event.text}`;
    return event.type === "end" ? `end ${event.operation.state}` : event.type;
  });

test("an operation tells its stages, notices and progress, and how it ended", async () => {
  const operations = new Operations(quiet);
  const gate = Promise.withResolvers<void>();
  const { id } = operations.start("create", "vm-a", async ({ report }) => {
    await gate.promise;
    report.stage("building", "debian");
    report.progress({ done: 1, total: 2, unit: "bytes" });
    report.notice("slow today");
    report.stage("booting");
  });
  const events = follow(operations, id);
  gate.resolve();
  assert.deepEqual(names(await events), [
    "stage building (debian)",
    "progress",
    "notice slow today",
    "stage booting",
    "end succeeded",
  ]);
  const view = operationSchema.parse(operations.get(id));
  assert.deepEqual(
    view.stages.map(({ name, took_ms }) => [name, typeof took_ms]),
    [
      ["building", "number"],
      ["booting", "number"],
    ],
  );
  assert.equal(view.progress, null, "progress belongs to a stage");
  assert.ok(view.ended_at);
});

test("whoever joins late, or after the end, gets what was and the end", async () => {
  const operations = new Operations(quiet);
  const { id } = operations.start("start", "vm-a", async ({ report }) => {
    report.stage("booting");
    report.notice("no KVM");
  });
  const first = await follow(operations, id);
  const again = await follow(operations, id);
  assert.deepEqual(names(again), ["stage booting", "notice no KVM", "end succeeded"]);
  assert.deepEqual(first.at(-1), again.at(-1));
});

test("a follower that stops hears no more", async () => {
  const operations = new Operations(quiet);
  const gate = Promise.withResolvers<void>();
  const { id } = operations.start("start", "vm-a", async ({ report }) => {
    await gate.promise;
    report.stage("booting");
  });
  const heard: OperationEvent[] = [];
  operations.follow(id, (event) => heard.push(event))();
  gate.resolve();
  await follow(operations, id);
  assert.deepEqual(heard, []);
});

test("a failure is in the operation, with its code, hint and id; foreign errors are internal", async () => {
  const operations = new Operations(quiet);
  const known = operations.start("create", "vm-a", async () => {
    throw BangerError.of("vm_name_taken", { name: "otter" });
  });
  const foreign = operations.start("create", "vm-b", async () => {
    throw new TypeError("x is undefined");
  });
  await Promise.all([follow(operations, known.id), follow(operations, foreign.id)]);
  assert.equal(operations.get(known.id).state, "failed");
  assert.partialDeepStrictEqual(operations.get(known.id).error, {
    code: "vm_name_taken",
    operation: known.id,
  });
  assert.partialDeepStrictEqual(operations.get(foreign.id).error, {
    code: "internal",
    operation: foreign.id,
  });
});

/** Work that ends only when it is cancelled, and then cleans up. */
function untilCancelled(cleaned: () => void) {
  return ({ signal }: Work) =>
    new Promise<void>((_, reject) => {
      signal.addEventListener("abort", () => {
        cleaned();
        reject(signal.reason);
      });
    });
}

test("cancelling returns when the work has cleaned up", async () => {
  const operations = new Operations(quiet);
  let clean = false;
  const { id } = operations.start(
    "create",
    "vm-a",
    untilCancelled(() => {
      clean = true;
    }),
  );
  const view = await operations.cancel(id);
  assert.ok(clean);
  assert.equal(view.state, "cancelled");
  assert.equal(view.error?.code, "operation_cancelled");
});

test("cancelling what has ended changes nothing", async () => {
  const operations = new Operations(quiet);
  const { id } = operations.start("create", "vm-a", async () => {});
  await follow(operations, id);
  assert.equal((await operations.cancel(id)).state, "succeeded");
});

test("the daemon's end cancels everything that runs", async () => {
  const operations = new Operations(quiet);
  let cleaned = 0;
  for (const vm of ["a", "b", "c"])
    operations.start(
      "create",
      vm,
      untilCancelled(() => cleaned++),
    );
  await operations.cancelAll();
  assert.equal(cleaned, 3);
  assert.ok(operations.list().every((operation) => operation.state === "cancelled"));
});

test("an unknown operation is told so", async () => {
  const operations = new Operations(quiet);
  assert.throws(() => operations.get("op-000000"), { code: "operation_not_found" });
  assert.throws(() => operations.follow("op-000000", () => {}), { code: "operation_not_found" });
  await assert.rejects(operations.cancel("op-000000"), { code: "operation_not_found" });
});

test("of the ended ones the last hundred are kept; running ones always", async () => {
  const operations = new Operations(quiet);
  const running = operations.start(
    "create",
    "long",
    untilCancelled(() => {}),
  );
  const ids: string[] = [];
  for (let i = 0; i < 130; i++) {
    const { id } = operations.start("start", `vm-${i}`, async () => {});
    await follow(operations, id);
    ids.push(id);
  }
  const kept = new Set(operations.list().map((operation) => operation.id));
  assert.ok(kept.has(running.id));
  assert.deepEqual(
    ids.filter((id) => kept.has(id)),
    ids.slice(-100),
  );
  await operations.cancelAll();
});

test("work that reports without end costs bounded memory, and progress is told at a bounded rate", async () => {
  const operations = new Operations(quiet);
  let progress = 0;
  const gate = Promise.withResolvers<void>();
  const { id } = operations.start("create", "vm-a", async ({ report }) => {
    await gate.promise;
    for (let i = 0; i < 5000; i++) {
      report.stage(`stage ${i}`);
      report.notice(`notice ${i}`);
    }
    for (let i = 0; i < 5000; i++) report.progress({ done: i, unit: "items" });
  });
  operations.follow(id, (event) => {
    if (event.type === "progress") progress++;
  });
  gate.resolve();
  await follow(operations, id);
  const view = operations.get(id);
  assert.ok(view.stages.length <= 500 && view.notices.length <= 100);
  assert.ok(progress < 500, `${progress} progress events`);
  assert.equal(view.progress?.done, 4999);
});
