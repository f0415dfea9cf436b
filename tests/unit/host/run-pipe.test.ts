/** Two programs in a pipe: how they end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { findByEnvironment } from "../../../src/host/processes.ts";
import { ProcessError, runPipe } from "../../../src/host/run.ts";

const MARK = "BANGER_TEST_PIPE";
const mark = `${process.pid}-${Math.random()}`;
const marked = { env: { [MARK]: mark } };
const left = () => findByEnvironment(MARK, mark);

test("the signal ends both, and what they started", async () => {
  const abort = new AbortController();
  const script = "sleep 1000 & sleep 1001 | sleep 1002 & echo started >&2; wait";
  const piped = runPipe(["sh", ["-c", script]], ["cat", []], {
    ...marked,
    signal: abort.signal,
    onStderrLine: () => abort.abort(),
  });
  await assert.rejects(piped, ProcessError);
  assert.deepEqual(left(), []);
});

test("one that fails ends the other, and its error is the one that is told", async () => {
  const failing = ["sh", ["-c", "echo no room >&2; exit 3"]] as const;
  for (const [producer, consumer] of [
    [failing, ["cat", []]],
    [["sh", ["-c", "sleep 1000"]], failing],
  ] as const)
    await assert.rejects(runPipe(producer, consumer, marked), (error: ProcessError) => {
      assert.deepEqual([error.code, error.lastLine], [3, "no room"]);
      return true;
    });
  assert.deepEqual(left(), []);
});
