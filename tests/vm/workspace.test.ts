/** A repository's way into a VM and back, as docs/workspaces.md tells it, and what only a real guest shows. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { before, describe, test } from "node:test";
import type { Sandbox } from "../../src/sdk/index.ts";
import { LAUNCHER } from "../support/command.ts";
import { makeHome } from "../support/home.ts";
import { commit, git, makeRepository, write } from "../support/repository.ts";
import { runTranscript } from "../support/transcript.ts";

describe("a workspace", async () => {
  const home = await makeHome();
  let vm: Sandbox;
  const folder = join(home.path, "work");

  before(() => mkdirSync(folder));

  test("an agent's day is as docs/workspaces.md tells it", async () => {
    const env = { ...home.env, PATH: `${dirname(LAUNCHER)}:${process.env.PATH}` };
    runTranscript("docs/workspaces.md", env, folder);
    vm = await (await home.connect()).get("agent");
    const app = join(folder, "app");
    write(app, { ".git/info/exclude": "" });
    const tree = (await vm.exec(["sh", "-c", TREE], { cwd: "/root/repo" })).text.trim();
    assert.equal(spawnSync("sh", ["-c", TREE], { cwd: app, env, encoding: "utf8" }).stdout.trim(), tree);
  });

  test("is shown by list and show, and a moved HEAD of the host is told", async () => {
    assert.match((await home.run(["vm", "list"])).stdout, /WORKSPACE\n.*app:main$/m);
    assert.match(
      (await home.run(["vm", "show", "agent"])).stdout,
      /workspace +\S+app at \/root\/repo \(main at/,
    );
    commit(join(folder, "app"), "everything");
    const told = await home.run(["vm", "exec", "agent", "--", "pwd"]);
    assert.equal(told.stdout, "/root/repo\n");
    assert.match(told.stderr, /HEAD of .*app moved .*--auto-prepare/);
    const refused = await home.run(["vm", "exec", "agent", "--auto-prepare", "--", "true"]);
    assert.equal(refused.code, 125);
    assert.match(refused.stderr, /changes that would be lost: commits up to/);
    const forced = await home.run(["vm", "workspace", "prepare", "agent", "--force", "--quiet"]);
    assert.equal(forced.code, 0, forced.stderr);
    const quiet = await home.run([
      "vm",
      "exec",
      "agent",
      "--auto-prepare",
      "--",
      "git",
      "log",
      "--format=%s",
      "-1",
    ]);
    assert.deepEqual([quiet.stdout, quiet.stderr], ["everything\n", ""]);
  });

  test("nothing to export is said, and is an empty patch and no failure; a full disk of this host leaves no part of one", async (t) => {
    const patch = join(folder, "agent.patch");
    const nothing = await home.run(["vm", "workspace", "export", "agent"]);
    assert.deepEqual([nothing.code, nothing.stdout], [0, ""]);
    assert.match(nothing.stderr, /nothing was changed in the guest/);
    assert.equal((await home.run(["vm", "workspace", "export", "agent", "-o", patch])).code, 0);
    assert.equal(readFileSync(patch, "utf8"), "");
    await vm.exec(["sh", "-c", "head -c 3000000 /dev/urandom >/root/repo/noise"]);
    const device = await home.run(["vm", "workspace", "export", "agent", "--quiet", "-o", "/dev/full"]);
    assert.equal(device.code, 1);
    assert.match(device.stderr, /\/dev\/full cannot be written: .*no space left/i);
    assert.ok(statSync("/dev/full").isCharacterDevice(), "a device stays one");
    if (process.getuid?.() === 0) {
      const small = join(home.path, "small");
      mkdirSync(small);
      spawnSync("sh", ["-c", 'mount -t tmpfs -o size=1m tmpfs "$1"', "sh", small]);
      try {
        const full = await home.run([
          "vm",
          "workspace",
          "export",
          "agent",
          "--quiet",
          "-o",
          join(small, "p"),
        ]);
        assert.equal(full.code, 1);
        assert.match(full.stderr, /cannot be written: .*no space left/i);
        assert.deepEqual(readdirSync(small), []);
      } finally {
        spawnSync("sh", ["-c", 'umount "$1"', "sh", small]);
      }
    } else t.diagnostic("a file system that is full was not tried: only root mounts one");
    await vm.exec(["rm", "/root/repo/noise"]);
  });

  test("20,000 files and one of 300 MB arrive as they are", async () => {
    const large = join(folder, "many");
    const files: Record<string, string | Buffer> = {};
    for (let n = 0; n < 20_000; n++) files[`src/d${n % 199}/f${n}.txt`] = `file ${n}\n`.repeat(1 + (n % 7));
    makeRepository(large, files);
    const block = Buffer.alloc(3_000_000);
    for (let n = 0; n < block.length; n += 4) block.writeUInt32LE(Math.imul(n, 2_654_435_761) >>> 0, n);
    for (let n = 0; n < 100; n++) appendFileSync(join(large, "big"), block.fill(n, 0, 64));
    git(large, "add", "--intent-to-add", "big");
    const info = await vm.workspace.prepare(large, { guestPath: "/root/many" });
    assert.deepEqual([info.files, info.bytes > 300_000_000], [20_001, true]);
    const there = await vm.exec(["sh", "-c", HASHES], { cwd: "/root/many" });
    const here = spawnSync("sh", ["-c", HASHES], { cwd: large, encoding: "utf8" });
    assert.equal(there.text, here.stdout);
    assert.equal((await vm.exec(["git", "status", "--porcelain"], { cwd: "/root/many" })).text, " A big\n");
    await vm.exec(["rm", "-rf", "/root/many"]);
    const again = await vm.workspace.prepare(join(folder, "app"), { guestPath: "/root/repo", force: true });
    assert.equal(again.guest_path, "/root/repo");
  });

  test("shells and commands run in it with mise's tools, when the guest has mise", async () => {
    const mise = '#!/bin/sh\n[ "$1" = exec ] || exit 9\nshift 2\nTOOL=mise exec "$@"\n';
    await vm.files.write("/root/.local/bin/mise", mise, { mode: "755", parents: true });
    const command = await home.run(["vm", "exec", "agent", "--", "sh", "-c", "echo $TOOL; exit 7"]);
    assert.deepEqual([command.stdout, command.code], ["mise\n", 7]);
    const shell = await home.run(["vm", "exec", "agent"], `echo $TOOL; pwd; echo "\${PATH##*:}"\n`);
    assert.equal(shell.stdout, "mise\n/root/repo\n/root/.local/share/mise/shims\n");
    await vm.files.remove("/root/.local/bin/mise");
    assert.equal((await home.run(["vm", "exec", "agent", "--", "no-such-command"])).code, 127);
  });

  test("without git in the guest comes back, too; and a full guest is told, with nothing left of the copy", async () => {
    await vm.exec(["sh", "-c", "mv /usr/bin/git /usr/bin/git.away; cd /root/repo && echo more >hello.py"]);
    const exported = await vm.workspace.export();
    assert.deepEqual(
      exported.files.map(({ path }) => path),
      ["hello.py"],
    );
    await vm.exec(["mv", "/usr/bin/git.away", "/usr/bin/git"]);
    const large = makeRepository(join(folder, "large"), { zeros: Buffer.alloc(64 << 20, 1) });
    const filled = "fallocate -l $(($(df --output=avail -B1 /root | tail -1) - 40000000)) /root/fill";
    assert.equal((await vm.exec(["sh", "-c", filled])).exitCode, 0);
    await assert.rejects(vm.workspace.prepare(large, { guestPath: "/root/large" }), {
      code: "guest_no_space",
    });
    assert.equal((await vm.exec(["sh", "-c", "rm /root/fill; ls -A /root | grep -c large"])).text, "0\n");
    assert.equal(git(large, "status", "--porcelain"), "");
  });
});

/** Of every file, in the order of names; an emulated guest takes a third of the time that sha256sum would. */
const HASHES = "find . -name .git -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 b2sum | b2sum";
/** The tree that git would commit of everything here, with an index of its own. */
const TREE = "export GIT_INDEX_FILE=$(mktemp -u); git add -A && git write-tree";
