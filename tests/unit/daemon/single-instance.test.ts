import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { acquireDaemonLock } from "../../../src/daemon/single-instance.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const MODULE = new URL("../../../src/daemon/single-instance.ts", import.meta.url).href;

/** A process that takes the lock, says how that went, and holds it until it ends. */
async function holder(path: string) {
  const script = `
    const { acquireDaemonLock } = await import(${JSON.stringify(MODULE)});
    globalThis.lock = acquireDaemonLock(${JSON.stringify(path)});
    process.stdout.write(globalThis.lock ? "held" : "refused");
    process.stdin.resume();
  `;
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", script],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  const [answer] = await once(child.stdout, "data");
  return { child, answer: String(answer) };
}

test("a second daemon is refused while the first lives, and let in when it ends, even by SIGKILL", async (t) => {
  const path = join(temporaryFolder(t), "daemon.lock");
  const { child, answer } = await holder(path);
  t.after(() => child.kill("SIGKILL"));
  assert.equal(answer, "held");
  assert.equal(acquireDaemonLock(path), null);
  child.kill("SIGKILL");
  await once(child, "exit");
  const lock = acquireDaemonLock(path);
  assert.ok(lock);
  const second = await holder(path);
  t.after(() => second.child.kill("SIGKILL"));
  assert.equal(second.answer, "refused");
  lock[Symbol.dispose]();
});

test("of many that try at once exactly one holds the lock", async (t) => {
  const path = join(temporaryFolder(t), "daemon.lock");
  const holders = await Promise.all(Array.from({ length: 4 }, () => holder(path)));
  for (const { child } of holders) t.after(() => child.kill("SIGKILL"));
  assert.deepEqual(holders.map((h) => h.answer).sort(), ["held", "refused", "refused", "refused"]);
});

test("a lock that is given back can be taken again", (t) => {
  const path = join(temporaryFolder(t), "daemon.lock");
  acquireDaemonLock(path)?.[Symbol.dispose]();
  const lock = acquireDaemonLock(path);
  assert.ok(lock);
  lock[Symbol.dispose]();
});
