/**
 * Prepares what every VM needs once for a whole run: the default kernel, the image debian-slim and boot files, made by the commands a user
 * types, in a folder of the run's own. Each test file gets them as hard links (see home.ts), so no file waits for a build
 * and none can spoil another's. BANGER_TEST_SEED names a folder to take them from and to keep them in between runs.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { banger, configureHome, homeEnvironment, leftProcesses } from "./command.ts";
import { chooseSuiteDriver } from "./suite-driver.ts";

let seed = "";
const kept = process.env.BANGER_TEST_SEED;

export async function globalSetup(): Promise<void> {
  seed = kept ?? (await mkdtemp(join(tmpdir(), "banger-tests-")));
  const env = homeEnvironment(seed);
  await chooseSuiteDriver(join(seed, ".cache/banger"));
  await configureHome(seed);
  for (const args of [
    ["kernel", "pull", "debian-cloud"],
    ["image", "pull", "debian-slim"],
    ["vm", "run", "--rm", "--", "true"],
    ["daemon", "stop"],
  ]) {
    const result = await banger(args, { env });
    assert.equal(result.code, 0, `banger ${args.join(" ")}: ${result.stderr}`);
  }
  process.env.BANGER_TEST_SEED = seed;
}

export async function globalTeardown(): Promise<void> {
  const left = await leftProcesses(seed);
  if (kept === undefined) await rm(seed, { recursive: true, force: true });
  if (left.length === 0) return;
  // Not thrown: Node 24 then calls this again, for ever, and can only be killed.
  console.error(`no process of banger's may remain after the tests:\n${left.join("\n")}`);
  process.exitCode = 1;
}
