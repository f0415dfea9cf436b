/** `vm cp` and the SDK's copies with a real guest. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { before, describe, test } from "node:test";
import { promisify } from "node:util";
import type { Sandbox } from "../../src/sdk/index.ts";
import { LAUNCHER } from "../support/command.ts";
import { makeHome } from "../support/home.ts";
import { describeTree, makeTree, SPARSE_SIZE } from "../support/tree.ts";

const execute = promisify(execFile);

describe("copies", async () => {
  const home = await makeHome();
  const place = (name: string) => mkdtempSync(join(home.path, `${name}-`));
  let vm: Sandbox;
  before(async () => {
    vm = (await (await home.connect()).create({ name: "cp" })).keep();
  });
  const guest = async (script: string) => (await vm.exec(["sh", "-c", script])).text;

  test("of a tree go in and out and are as they were: names of any bytes, links, times, modes, holes", async () => {
    const here = place("tree");
    mkdirSync(join(here, "a"));
    makeTree(join(here, "a"));
    assert.equal((await home.run(["vm", "cp", join(here, "a"), "cp:/srv/b"])).code, 0);
    assert.equal(
      await guest("stat -c '%U %a %s %y' /srv/b/deep/er/file | cut -c1-40"),
      "root 640 8 2020-09-13 12:26:40.250000000\n",
    );
    assert.ok(
      Number(await guest("du -k /srv/b/sparse | cut -f1")) < 100,
      "the hole stays a hole in the guest",
    );
    const { code, stderr } = await home.run(["vm", "cp", "cp:/srv/b", join(here, "c")]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /copied \d+ entries, 95[34]\.\dM, in /);
    assert.deepEqual(describeTree(join(here, "c")), describeTree(join(here, "a")));
    const sparse = lstatSync(join(here, "c/sparse"));
    assert.equal(sparse.size, SPARSE_SIZE);
    assert.ok(sparse.blocks * 512 < 1_000_000, "and on the way back");
  });

  test("follow cp's rules for targets, both ways", async () => {
    const here = place("rules");
    mkdirSync(join(here, "d/sub"), { recursive: true });
    writeFileSync(join(here, "d/f"), "f");
    await vm.copyIn(join(here, "d"), "/root/new");
    await vm.copyIn(join(here, "d"), "/root/new");
    await vm.copyIn(`${here}/d/.`, "/root/new/sub");
    await vm.copyIn(join(here, "d/f"), "renamed");
    assert.equal(
      await guest("cd /root && find new renamed -type f | sort"),
      "new/d/f\nnew/f\nnew/sub/f\nrenamed\n",
    );
    await vm.copyOut("/root/new", here);
    await vm.copyOut("/root/new/f", join(here, "g"));
    await vm.copyOut("/root/new/.", join(here, "d/sub"));
    assert.deepEqual(readdirSync(here).sort(), ["d", "g", "new"]);
    assert.deepEqual(readdirSync(join(here, "d/sub")).sort(), ["d", "f", "sub"]);
    for (const [from, to, problem] of [
      [join(here, "none"), "cp:/root", /does not exist/],
      [join(here, "d"), "cp:/root/renamed", /no directory/],
      [join(here, "g"), "cp:/no/such/place", /no directory \/no\/such/],
      ["cp:/root/none", here, /not found in the guest/],
      ["cp:/root/new", join(here, "g"), /no directory/],
      ["cp:/dev/null", here, /is a char/],
      [here, `${here}2`, /neither end is in a VM/],
    ] as const) {
      const { code, stderr } = await home.run(["vm", "cp", from, to]);
      assert.notEqual(code, 0);
      assert.match(stderr, problem);
    }
    const { code, stderr } = await home.run(["vm", "cp", join(here, "g"), "cp:/proc/g"]);
    assert.equal(code, 1);
    assert.match(stderr, /copying .*g stopped: .*\n.*0 entries of it had been copied/);
  });

  test("take and give archives, and go between VMs", async () => {
    const here = place("tar");
    writeFileSync(join(here, "f"), "f");
    const out = await home.run(["vm", "cp", "cp:/etc/hostname", "-"]);
    assert.equal(out.code, 0);
    assert.match(out.stdout, /hostname\0/);
    assert.equal((await home.run(["vm", "cp", "-", "cp:/srv"], out.stdout)).code, 0);
    assert.equal(await guest("cat /srv/hostname"), "cp\n");
    await vm.copyTo("/srv/hostname", vm, "/srv/again");
    assert.equal(await guest("cat /srv/again"), "cp\n");
    await assert.rejects(vm.unpackIn(Readable.from([Buffer.alloc(512, "x")]), "/srv"), {
      code: "copy_failed",
      message: /checksum/,
    });
  });

  test("tell what was copied when the guest's disk is full", async () => {
    const here = place("full");
    mkdirSync(join(here, "d"));
    writeFileSync(join(here, "d/a"), "a");
    writeFileSync(join(here, "d/b"), Buffer.alloc(3_000_000, 1));
    await guest("mkdir /srv/small && mount -t tmpfs -o size=1m none /srv/small");
    await assert.rejects(vm.copyIn(join(here, "d"), "/srv/small"), (error: Error & { hint?: string }) => {
      assert.match(error.message, /d\/b: no space left after 2 entries/);
      assert.match(error.hint ?? "", /^2 entries of it had been copied and stay there/);
      return true;
    });
    assert.equal(await guest("cd /srv/small/d && ls && cat a"), "a\na");
  });

  test("tell what was copied when this host's disk is full, or refuse one that is read-only", async (t) => {
    if (process.getuid?.() !== 0) return t.skip("only root mounts a small file system");
    const small = place("small");
    const mount = (options: string) => execute("mount", ["-t", "tmpfs", "-o", options, "none", small]);
    await mount("size=48m");
    t.after(() => execute("umount", [small]));
    await guest("mkdir /srv/out && echo a >/srv/out/a && yes | head -c 60M >/srv/out/b");
    const full = await home.run(["vm", "cp", "cp:/srv/out", small]);
    assert.equal(full.code, 1);
    assert.match(full.stderr, /not enough disk space for 'out\/b': .* free on /);
    assert.match(full.stderr, /\d entries of it had been copied and stay there/);
    assert.ok(!readdirSync(join(small, "out")).some((name) => name !== "a"), "no part of b");
    await mount("remount,ro");
    const closed = await home.run(["vm", "cp", "cp:/srv/out/a", small]);
    assert.equal(closed.code, 1);
    assert.match(closed.stderr, /its file system is read-only/);
  });

  test("that Ctrl-C ends leave no temporary file", async () => {
    const here = place("ctrl-c");
    await guest("yes | head -c 60M >/srv/large");
    writeFileSync(join(here, "large"), "the old one");
    const child = spawn(LAUNCHER, ["vm", "cp", "cp:/srv/large", here], { env: home.env, stdio: "ignore" });
    const exited = once(child, "exit");
    const { watch } = await import("node:fs/promises");
    for await (const { filename } of watch(here)) if (filename?.endsWith(".part")) break; // it is under way
    child.kill("SIGINT");
    assert.deepEqual(await exited, [130, null]);
    assert.deepEqual(readdirSync(here), ["large"]);
    assert.equal(readFileSync(join(here, "large"), "utf8"), "the old one");
  });

  test("that break off on their way in leave what they would have replaced, and nothing else", async () => {
    await guest("mkdir /srv/kept && echo old >/srv/kept/large && chmod 600 /srv/kept/large");
    const here = place("killed");
    writeFileSync(join(here, "large"), Buffer.alloc(40_000_000, 1));
    const archive = await execute("tar", ["c", "-C", here, "large"], { encoding: "buffer", maxBuffer: 50e6 });
    const child = spawn(LAUNCHER, ["vm", "cp", "-", "cp:/srv/kept"], {
      env: home.env,
      stdio: ["pipe", "ignore", "ignore"],
    });
    const exited = once(child, "exit");
    child.stdin.on("error", () => {}); // the rest has nobody to go to
    // More than all that lies between here and the guest can hold, so the guest has some of it when this is taken.
    await new Promise<void>((resolve) =>
      child.stdin.write(archive.stdout.subarray(0, 30_000_000), () => resolve()),
    );
    child.kill("SIGKILL");
    await exited;
    assert.equal(await guest("cd /srv/kept && ls -A && stat -c %a large && cat large"), "large\n600\nold\n");
    await vm.unpackIn(Readable.from([archive.stdout]), "/srv/kept");
    assert.equal(await guest("cd /srv/kept && ls -A && stat -c %s large"), "large\n40000000\n");
  });

  test("of symlinks are the links", async () => {
    const here = place("links");
    symlinkSync("/nowhere", join(here, "l"));
    await vm.copyIn(join(here, "l"), "/srv/l");
    assert.equal(await guest("readlink /srv/l"), "/nowhere\n");
    await vm.copyOut("/srv/l", join(here, "m"));
    assert.ok(lstatSync(join(here, "m")).isSymbolicLink());
  });
});
