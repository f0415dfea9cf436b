/** What the monitor and a hostile guest can reach: each test tries to break out of a promise of docs/security.md. */
import assert from "node:assert/strict";
import { readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import type { Sandbox } from "../../src/sdk/index.ts";
import { makeHome } from "../support/home.ts";
import { monitorOf } from "../support/monitors.ts";
import { suiteDriver } from "../support/suite-driver.ts";

describe("the monitor", async () => {
  const home = await makeHome();
  let vm: Sandbox;
  let pid: number;
  before(async () => {
    await writeFile(join(home.path, "secret"), "host secret");
    vm = (await (await home.connect()).create({ name: "jailed" })).keep();
    pid = await monitorOf(home.state, vm.id);
  });

  test("has namespaces of its own, so also no network", async () => {
    for (const kind of ["user", "mnt", "pid", "net", "ipc", "uts"]) {
      const [inside, outside] = await Promise.all(
        [pid, "self"].map((who) => readlink(`/proc/${who}/ns/${kind}`)),
      );
      assert.notEqual(inside, outside, kind);
    }
    const devices = await readFile(`/proc/${pid}/net/dev`, "utf8");
    assert.deepEqual(
      devices.match(/^\s*\w+(?=:)/gm)?.map((name) => name.trim()),
      suiteDriver() === "qemu" ? ["lo"] : ["lo", "tap0"], // its guest's, which leads to the guard alone
    );
  });

  test("has no capabilities, gains no privileges, and is under seccomp", async () => {
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    assert.match(status, /^CapEff:\t0+$/m);
    assert.match(status, /^CapBnd:\t0+$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Seccomp:\t2$/m);
  });

  test("sees of the host's files its own VM and what it boots from, nothing else", async () => {
    const root = `/proc/${pid}/root`;
    await assert.rejects(stat(join(root, home.path, "secret")), { code: "ENOENT" });
    await assert.rejects(stat(join(root, home.state, "state.db")), { code: "ENOENT" });
    await assert.rejects(stat(join(root, "etc/passwd")), { code: "ENOENT" });
    assert.deepEqual(await readdir(join(root, home.state, "vms")), [vm.id]);
  });

  test("holds no descriptor of the daemon's", async () => {
    const targets = await Promise.all(
      (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")),
    );
    assert.deepEqual(
      targets.filter((target) => /state\.db|daemon\.(lock|log)|banger\.sock/.test(target)),
      [],
    );
  });

  test("its folder and sockets are the user's alone", async () => {
    const folder = join(home.state, "vms", vm.id);
    assert.equal((await stat(folder)).mode & 0o077, 0);
    for (const name of await readdir(folder))
      assert.equal((await stat(join(folder, name))).mode & 0o077, 0, name);
    assert.equal((await stat(join(home.state, "run"))).mode & 0o077, 0);
    assert.equal((await stat(join(home.state, "run", "banger.sock"))).mode & 0o177, 0);
  });

  test("the disks that VMs share cannot be written from a guest", async () => {
    const { exitCode } = await vm.exec(["sh", "-c", "echo spoilt | dd of=/dev/vda bs=16 count=1 conv=fsync"]);
    assert.notEqual(exitCode, 0);
  });

  test("a guest whose agent is killed fails the commands that wait for it at once", async () => {
    const banger = await home.connect();
    const victim = (await banger.create({ name: "headless" })).keep();
    await assert.rejects(victim.exec(["sh", "-c", "kill -9 $(pgrep -f @banger-agent); sleep 100"]).output(), {
      code: "guest_unreachable",
    });
    await victim.delete();
  });

  test("a guest that speaks garbage instead of the protocol harms nobody but itself", async () => {
    const banger = await home.connect();
    const other = (await banger.create({ name: "good" })).keep();
    // Root of the guest takes the agent off its port and talks to the host in its place. The shell outlives the agent.
    const script = `kill -9 $(pgrep -f @banger-agent); head -c 3000000 /dev/urandom | dd of=$(echo /dev/vport*p1); sleep 100`;
    const broken = { code: /^guest_(unreachable|protocol)$/ };
    await assert.rejects(vm.exec(["sh", "-c", script]).output(), broken);
    await assert.rejects(vm.exec(["true"]).output(), broken);
    assert.equal((await other.exec(["echo", "fine"])).text, "fine\n");
    await vm.delete();
    await other.delete();
  });
});
