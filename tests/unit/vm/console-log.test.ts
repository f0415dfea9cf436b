import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { ConsoleLog, lastLines } from "../../../src/vm/console-log.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const MIB = 1024 * 1024;
const text = (lines: number, input: string) => lastLines(Buffer.from(input), lines).toString();

test("the last lines are found, with and without a final newline", () => {
  assert.equal(text(1, "a\nb\nc\n"), "c\n");
  assert.equal(text(2, "a\nb\nc"), "b\nc");
  assert.equal(text(9, "a\nb\n"), "a\nb\n");
  assert.equal(text(0, "a\nb\n"), "");
  assert.equal(text(2, "\n\n\n"), "\n\n");
  assert.equal(text(3, ""), "");
  assert.equal(text(1, "\n"), "\n");
});

test("what was printed can be read later, also by another reader of the same folder", async (t) => {
  const folder = temporaryFolder(t);
  const source = new PassThrough();
  const log = new ConsoleLog(folder);
  log.record(source);
  source.end("first\nsecond\nlogin: ");
  await once(source, "close");
  assert.equal(log.read().toString(), "first\nsecond\nlogin: ");
  assert.equal(new ConsoleLog(folder).read(2).toString(), "second\nlogin: ");
  assert.equal(statSync(join(folder, "console.log")).mode & 0o777, 0o600);
});

test("however much is printed, at most 2 MiB stay, and they are the newest", async (t) => {
  const folder = temporaryFolder(t);
  const source = new PassThrough();
  const log = new ConsoleLog(folder);
  log.record(source);
  for (let i = 0; i < 50; i++) source.write(Buffer.alloc(100_000, 0x41 + (i % 26)));
  source.end("the end");
  await once(source, "close");
  const kept = log.read();
  assert.ok(kept.length <= 2 * MIB && kept.length >= MIB / 2, String(kept.length));
  assert.ok(kept.toString().endsWith("the end"));
  const stored = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  assert.equal(stored, kept.length);
});

test("one huge piece is cut, not kept whole", async (t) => {
  const source = new PassThrough({ highWaterMark: 8 * MIB });
  const log = new ConsoleLog(temporaryFolder(t));
  log.record(source);
  source.end(Buffer.alloc(5 * MIB, 0x61));
  await once(source, "close");
  assert.ok(log.read().length <= 2 * MIB);
});

test("the log goes on after a restart of the machine", async (t) => {
  const log = new ConsoleLog(temporaryFolder(t));
  for (const line of ["first boot\n", "second boot\n"]) {
    const source = new PassThrough();
    log.record(source);
    source.end(line);
    await once(source, "close");
  }
  assert.equal(log.read().toString(), "first boot\nsecond boot\n");
});

test("followers get each piece until they stop", async (t) => {
  const source = new PassThrough();
  const log = new ConsoleLog(temporaryFolder(t));
  log.record(source);
  const seen: string[] = [];
  await new Promise<void>((resolve) => {
    const stop = log.follow((chunk) => {
      seen.push(chunk.toString());
      stop();
      resolve();
    });
    source.write("one");
  });
  source.end("two");
  await once(source, "close");
  assert.deepEqual(seen, ["one"]);
});

test("a log that cannot be written costs the log, not the daemon", async (t) => {
  const folder = temporaryFolder(t);
  const source = new PassThrough();
  const log = new ConsoleLog(folder);
  log.record(source);
  let seen = 0;
  log.follow((chunk) => {
    seen += chunk.length;
  });
  rmSync(folder, { recursive: true });
  source.end("nobody keeps this");
  await once(source, "close");
  assert.equal(seen, 17);
});
