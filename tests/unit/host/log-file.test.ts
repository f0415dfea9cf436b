import assert from "node:assert/strict";
import { appendFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { LogFile } from "../../../src/host/log-file.ts";
import { temporaryFolder } from "../../support/temporary.ts";

async function opened(t: TestContext, text: string): Promise<{ path: string; log: LogFile }> {
  const path = join(temporaryFolder(t), "some.log");
  writeFileSync(path, text);
  const log = await LogFile.open(path);
  t.after(() => log[Symbol.asyncDispose]());
  return { path, log };
}
async function lines(log: LogFile): Promise<string[]> {
  const found: string[] = [];
  for await (const line of log.read()) found.push(line);
  return found;
}

for (const [tail, expected] of [
  [0, []],
  [1, ["three"]],
  [3, ["one", "", "three"]],
  [100, ["one", "", "three"]],
] as const) {
  test(`the last ${tail} lines`, async (t) => {
    const { log } = await opened(t, "one\n\nthree\n");
    await log.seekTail(tail);
    assert.deepEqual(await lines(log), expected);
  });
}

test("lines longer than what is read at once stay whole, also their characters", async (t) => {
  const long = "ä€😀".repeat(30_000);
  const { log } = await opened(t, `first\n${long}\n${long}\n`);
  await log.seekTail(2);
  assert.deepEqual(await lines(log), [long, long]);
});

test("a line counts when it is complete", async (t) => {
  const { path, log } = await opened(t, "whole\nhal");
  await log.seekTail(1);
  assert.deepEqual(await lines(log), ["whole"]);
  appendFileSync(path, "f\n");
  assert.deepEqual(await lines(log), ["half"]);
});

test("a file that was emptied is read from its beginning", async (t) => {
  const { path, log } = await opened(t, "old line\nhal");
  await lines(log);
  truncateSync(path);
  assert.deepEqual(await lines(log), []);
  appendFileSync(path, "new\n");
  assert.deepEqual(await lines(log), ["new"]);
});

test("what is added is followed, each line once, until the signal", async (t) => {
  const { path, log } = await opened(t, "before\n");
  const seen: string[] = [];
  const stop = new AbortController();
  const following = log.follow((line) => {
    seen.push(line);
    if (seen.length < 50) appendFileSync(path, `line ${seen.length}\n`);
    else stop.abort();
  }, stop.signal);
  await following;
  assert.deepEqual(seen, ["before", ...Array.from({ length: 49 }, (_, i) => `line ${i + 1}`)]);
});
