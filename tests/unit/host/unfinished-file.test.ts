/** A file that nobody wants when the process that writes it ends. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../../support/temporary.ts";

const MODULE = fileURLToPath(new URL("../../../src/host/unfinished-file.ts", import.meta.url));

test("the one that was named last goes with a process that is killed, whatever it is called; others stay", async (t) => {
  const folder = temporaryFolder(t);
  const [done, part] = [join(folder, "done"), join(folder, "a\nb 'c' $d")];
  for (const path of [done, part]) writeFileSync(path, "");
  const watcher = watch(folder);
  t.after(() => watcher.close());
  const script = `
    const { UnfinishedFile } = await import(${JSON.stringify(MODULE)});
    const unfinished = new UnfinishedFile();
    for (const path of process.argv.slice(1)) unfinished.is(Buffer.from(path));
    process.stdin.once("data", () => process.kill(process.pid, "SIGKILL"));
    console.log("written");`;
  const args = ["--no-warnings", "--input-type=module", "-e", script, "--", done, part];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  assert.deepEqual(readdirSync(folder).length, 2, "as long as it lives");
  child.stdin.write("die\n");
  while (existsSync(part)) await once(watcher, "change");
  assert.deepEqual(readdirSync(folder), ["done"]);
});
