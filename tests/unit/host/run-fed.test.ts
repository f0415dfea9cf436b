import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ProcessError, runFed } from "../../../src/host/run.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const MIB = 1024 * 1024;

/** Pieces from two buffers by turns, as its caller may make them. */
async function* byTurns(count: number): AsyncGenerator<Buffer> {
  const buffers = [Buffer.alloc(MIB), Buffer.alloc(MIB)];
  for (let at = 0; at < count; at++) yield buffers[at % 2]?.fill(at) as Buffer;
}

test("a slow program gets every byte as it was, though a buffer is used again for the next piece but one", async (t) => {
  const file = join(temporaryFolder(t), "out");
  await runFed("sh", ["-c", 'dd of="$0" bs=4k status=none iflag=fullblock', file], byTurns(20));
  const written = await readFile(file);
  const expected = Buffer.concat(Array.from({ length: 20 }, (_, at) => Buffer.alloc(MIB, at)));
  assert.ok(written.equals(expected));
});

test("an input that fails ends the program and is what is told", async () => {
  async function* failing(): AsyncGenerator<Buffer> {
    yield* byTurns(2);
    throw new Error("no more");
  }
  await assert.rejects(runFed("sh", ["-c", "cat >/dev/null; sleep 60"], failing()), { message: "no more" });
});

test("a program that goes away early is told by its own end, and the input is ended", async () => {
  let closed = false;
  async function* endless(): AsyncGenerator<Buffer> {
    try {
      for (;;) yield* byTurns(2);
    } finally {
      closed = true;
    }
  }
  await assert.rejects(runFed("sh", ["-c", "echo full >&2; exit 3"], endless()), (error: unknown) => {
    assert.ok(error instanceof ProcessError);
    assert.deepEqual([error.code, error.stderr], [3, "full\n"]);
    return true;
  });
  assert.ok(closed);
  await assert.rejects(runFed("/no/such/program", [], byTurns(2)), ProcessError);
  await runFed("true", [], byTurns(40));
});

test("a signal ends the program while it does not read", async () => {
  const abort = new AbortController();
  const running = runFed("sleep", ["60"], byTurns(8), { signal: abort.signal });
  setImmediate(() => abort.abort());
  await assert.rejects(running);
});
