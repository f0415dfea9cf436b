/** A daemon whose VMs idle sleeps: no timer of its own wakes it again and again. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startDaemon } from "../../src/host/daemon-process.ts";
import { exists } from "../../src/host/files.ts";
import { resolvePaths } from "../../src/host/paths.ts";
import { untilHolds } from "../support/faults.ts";
import { makeHome } from "../support/home.ts";
import type { PendingTimer } from "../support/timer-daemon.ts";

const ENTRY = fileURLToPath(new URL("../support/timer-daemon.ts", import.meta.url));
const SIZE = { vcpu: 1, memoryMib: 256, diskBytes: 256 * 1024 * 1024 } as const;
const DAY_MS = 86_400_000;

/** What a limit of a work leaves once the work is done: it fires once and wakes nobody again. */
const isLimit = ({ where }: PendingTimer) => where.includes("node:internal/abort_controller");

/** Made by banger itself; those of libraries that do not repeat belong to connections, and end with them. */
const isOurs = ({ where }: PendingTimer) => {
  const frames = where.split("\n").slice(1); // the first line is no frame
  const maker = frames.find((line) => !line.includes("node:") && !line.includes("timer-daemon.ts"));
  return maker?.includes("/src/") ?? false;
};

describe("a daemon with idle VMs", async () => {
  const home = await makeHome();

  test("has no timer that comes again, and none pending but limits of what is done", async () => {
    const folder = join(home.path, "timers");
    await mkdir(folder);
    const file = join(folder, "pending.json");
    const env = { ...home.env, BANGER_TEST_TIMERS: file };
    await startDaemon(resolvePaths(home.env), { entry: ENTRY, env });
    const banger = await home.connect();
    const { pid } = await banger.status();
    const vms = await Promise.all(["one", "two"].map((name) => banger.create({ ...SIZE, name })));
    for (const vm of vms) assert.equal((await vm.exec(["echo", "idle"])).text, "idle\n");
    process.kill(pid, "SIGUSR2");
    await untilHolds("a list of timers", folder, () => exists(file));
    const timers = JSON.parse(readFileSync(file, "utf8")) as PendingTimer[];
    assert.deepEqual(
      timers.filter((timer) => timer.ms < DAY_MS && !isLimit(timer) && isOurs(timer)),
      [],
    );
    assert.deepEqual(
      timers.filter(({ repeats, ms }) => repeats && ms < DAY_MS),
      [],
    );
    assert.ok(timers.length > 0, "there is one at least, of the HTTP server, which never fires");
    for (const vm of vms) await vm.delete();
  });
});
