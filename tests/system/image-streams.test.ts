/** Images through standard input and output: nothing that others do meanwhile takes a byte of them, and nothing of them is left. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, describe, test } from "node:test";
import { findTool } from "../../src/host/tools.ts";
import type { Image, Pruned } from "../../src/sdk/index.ts";
import { archive } from "../support/archive.ts";
import { LAUNCHER } from "../support/command.ts";
import { makeHome } from "../support/home.ts";

/** Far more than a pipe holds: once it is taken, the command has begun to read. */
const content = Buffer.alloc(4_000_000, "banger");
const tar = archive({ name: "large", content });
const half = tar.length / 2;

describe("an image on a standard stream", async () => {
  const home = await makeHome({ seeded: false });
  /** What lies in the cache beside banger's own program, compiled. */
  const cached = () => readdirSync(join(home.path, ".cache/banger")).filter((name) => name !== "node");
  const begun = new Set<ChildProcess>();
  after(() => begun.forEach((command) => void command.kill("SIGKILL")));

  /** `image import -` with the first half of an image sent and taken. */
  async function halfSent(name: string) {
    const command = spawn(LAUNCHER, ["image", "import", "-", name], { env: home.env });
    begun.add(command);
    const ended = Promise.all([once(command, "exit"), text(command.stderr)]);
    await new Promise<void>((resolve, reject) =>
      command.stdin.write(tar.subarray(0, half), (error) => (error ? reject(error) : resolve())),
    );
    return { command, ended };
  }

  test("arrives whole though the cache is emptied meanwhile, and leaves nothing there", async () => {
    const { command, ended } = await halfSent("sent:1");
    const pruned = await home.run(["cache", "prune", "--json"]);
    assert.equal(pruned.code, 0, pruned.stderr);
    assert.deepEqual(
      (JSON.parse(pruned.stdout) as Pruned).removed.filter(({ name }) => name !== "node"),
      [],
    );
    await home.killDaemon();
    command.stdin.end(tar.subarray(half));
    const [[code], stderr] = await ended;
    assert.equal(code, 0, stderr);
    const listed = JSON.parse((await home.run(["image", "list", "--json"])).stdout) as Image[];
    assert.deepEqual(
      listed.map(({ name }) => name),
      ["sent:1"],
    );
    assert.deepEqual(cached(), ["layers"]);
  });

  test("whose sender is killed leaves nothing; one that is none is told as what came in", async () => {
    const before = cached();
    const { command, ended } = await halfSent("killed:1");
    command.kill("SIGKILL");
    await ended;
    assert.deepEqual(cached(), before);
    const { code, stderr } = await home.run(["image", "import", "-", "noise:1"], "no archive at all");
    assert.equal(code, 1);
    assert.match(stderr, /standard input/);
    assert.doesNotMatch(stderr, /\/proc/);
    assert.deepEqual(cached(), before);
  });

  test("goes out as it came in", { skip: !(await findTool("sqfs2tar")) && "no sqfs2tar" }, async () => {
    const before = cached();
    const command = spawn(LAUNCHER, ["image", "export", "sent:1", "--format", "rootfs", "-"], {
      env: home.env,
    });
    const listing = spawn("tar", ["-xO", "./large"], { stdio: [command.stdout, "pipe", "inherit"] });
    assert.ok(Buffer.from(await text(listing.stdout)).equals(content));
    assert.deepEqual(cached(), before);
  });
});
