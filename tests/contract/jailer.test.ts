/** Firecracker under its jailer, by the jailer's double: what is made, what is refused, what is left. Root alone can jail. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { findByUser, killProcess } from "../../src/host/processes.ts";
import { endUnfinishedTemplates } from "../../src/vm/warm-build.ts";
import { firecrackerDriver } from "../../src/vmm/firecracker/driver.ts";
import { chooseJailer } from "../../src/vmm/firecracker/jailer-program.ts";
import { JAIL_GROUP } from "../../src/vmm/jail/jail-user.ts";
import { endStrayMonitor } from "../../src/vmm/monitor-process.ts";
import { installDouble, installJailer } from "../support/firecracker/install.ts";
import { jailedBed } from "../support/firecracker/jailed-bed.ts";
import { says } from "../support/firecracker/says.ts";
import { agentBinary } from "../support/hosted-agent.ts";
import { jailsMissing } from "../support/jails-missing.ts";
import { temporaryFolder } from "../support/temporary.ts";

const signal = new AbortController().signal;
const home = mkdtempSync(join(tmpdir(), "banger-jailer-"));
const double = await installDouble(home);
const jailer = installJailer(double);
after(() => rmSync(home, { recursive: true }));

describe("Firecracker under its jailer", {
  skip: jailsMissing,
}, () => {
  const agent = join(double.path, "agent");
  before(() => {
    writeFileSync(agent, readFileSync(agentBinary()), { mode: 0o755 });
  });

  const bed = (t: TestContext, beside?: { readonly folder: string }, name?: string) =>
    jailedBed(t, { program: double.program, cache: home }, beside, name);

  test("runs as a user of its own in a root of its own, and serves its VM", async (t) => {
    double.plan({ guest: "agent", agent });
    const it = bed(t);
    const machine = await it.launch();
    assert.equal(await says(machine, "id -u; id -g; id -G"), `${it.user}\n${JAIL_GROUP}\n${JAIL_GROUP}\n`);
    const root = machine.handle.inside ?? "";
    assert.equal(root, join(it.spec.directory, "jail/firecracker/vm-jailed/root"));
    assert.equal(lstatSync(join(root, "api.sock")).uid, it.user);
    assert.ok(await machine.residentBytes());
    assert.ok(!readFileSync("/proc/self/mounts", "latin1").includes(root), "the host has none of its mounts");
    await machine.pause();
    await machine.resume();
    await machine.stateDiskResized(1024);
    assert.equal(await says(machine, "echo on"), "on\n");
    killProcess(machine.handle);
    assert.equal((await machine.exited).expected, false);
    it.assertNothingLeft();
  });

  test("reads what VMs share, by its group, and writes its own disk alone", async (t) => {
    double.plan({ guest: "agent", agent });
    const it = bed(t);
    const machine = await it.launch();
    const { base, state } = it.spec.disks;
    const tried = `cat '${base}' && echo read; (echo x >>'${base}') 2>/dev/null || echo not written; echo y >state.ext4; ls /`;
    assert.match(await says(machine, tried), /^read\nnot written\n/);
    assert.equal(readFileSync(state, "latin1"), "y\n");
    assert.equal(statSync(base).mode & 0o777, 0o640);
    assert.equal(statSync(base).ino, it.inodeOfBase, "it is the one file that all VMs share");
  });

  test("saves its state for us, and another VM's goes on from it", async (t) => {
    double.plan({ guest: "agent", agent });
    const it = bed(t);
    const machine = await it.launch();
    await machine.pause();
    const saved = join(it.folder, "saved");
    mkdirSync(saved, { mode: 0o700 });
    await machine.saveState(saved, signal);
    assert.deepEqual(readdirSync(saved).sort(), ["firecracker.state", "memory"]);
    for (const name of readdirSync(saved)) assert.equal(statSync(join(saved, name)).uid, 0, name);
    await machine.kill();
    const other = bed(t, it);
    assert.notEqual(other.user, it.user);
    const copy = await other.driver.restore(other.spec, { folder: saved }, signal);
    t.after(() => copy.kill());
    copy.console.resume();
    await copy.resume();
    assert.equal(await says(copy, "id -u"), `${other.user}\n`);
  });

  test("works below a folder whose name is longer than a socket's address may be", async (t) => {
    double.plan({ guest: "agent", agent });
    const it = bed(t, undefined, "a-long-name".repeat(20));
    assert.equal(await says(await it.launch(), "echo reached"), "reached\n");
  });

  test("is found again by a later daemon, and ended by one that knows no record", async (t) => {
    double.plan({ guest: "agent", agent });
    const it = bed(t);
    const machine = await it.launch();
    const found = await it.driver.adopt(JSON.parse(JSON.stringify(machine.handle)));
    assert.ok(found);
    found.console.resume();
    assert.equal(await says(found, "echo found"), "found\n");
    await endStrayMonitor(it.spec.directory);
    await Promise.all([machine.exited, found.exited]);
    it.assertNothingLeft();
  });

  test("of a template that was being made when its daemon was killed is ended by the next one", async (t) => {
    double.plan({ guest: "none" });
    const cache = temporaryFolder(t);
    const folder = join(cache, "warm/.tmp-begun");
    mkdirSync(folder, { recursive: true });
    const it = bed(t, { folder }, "vm");
    const machine = await it.launch();
    assert.notDeepEqual(findByUser(it.user), []);
    await endUnfinishedTemplates(cache);
    await machine.exited;
    it.assertNothingLeft();
  });

  test("is ended with all that it started, even when what holds its namespaces was killed before", async (t) => {
    double.plan({ guest: "agent", agent });
    const it = bed(t);
    const machine = await it.launch();
    process.kill(machine.handle.pid, "SIGKILL");
    assert.notDeepEqual(findByUser(it.user), [], "it lives on");
    await machine.kill();
    it.assertNothingLeft();
  });

  for (const how of ["fail", "die"] as const)
    for (const step of ["validate", "copy", "chroot", "devices", "exec"]) {
      test(`a jailer that ${how}s at ${step} fails the start with its last words, and nothing is left`, async (t) => {
        double.plan({});
        jailer.plan({ [how]: step });
        t.after(() => jailer.plan({}));
        const it = bed(t);
        await assert.rejects(it.driver.launch(it.spec, signal), {
          code: "driver_failed",
          message:
            how === "fail" ? new RegExp(`Failed to ${step}: as planned$`) : /jailer refused to start it: ./,
          hint: /vmm\.log.*doctor.*jailer_bin/,
        });
        it.assertNothingLeft();
      });
    }

  test("a refusal of Firecracker's and a death of it leave nothing either", async (t) => {
    for (const plan of [
      { refuse: { "PUT /vsock": "no" } },
      { dieAt: "PUT /actions" },
      { dieAt: "start" },
    ] as const) {
      double.plan(plan);
      const it = bed(t);
      await assert.rejects(it.driver.launch(it.spec, signal), { code: "driver_failed" });
      it.assertNothingLeft();
    }
  });

  test("what a crash left of a former jail is removed first", async (t) => {
    double.plan({ guest: "agent", agent });
    const it = bed(t);
    const root = join(it.spec.directory, "jail/firecracker/vm-jailed/root");
    mkdirSync(join(root, "dev/net"), { recursive: true });
    for (const name of ["dev/kvm", "dev/net/tun", "firecracker", "firecracker.pid", "api.sock"])
      writeFileSync(join(root, name), "left");
    symlinkSync(it.spec.disks.base, join(root, "link"));
    assert.equal(await says(await it.launch(), "echo fresh"), "fresh\n");
  });

  test("a file of the user's own that others cannot read is refused with what to do, and stays as it is", async (t) => {
    double.plan({});
    const it = bed(t);
    const own = join(temporaryFolder(t), "own.squashfs");
    writeFileSync(own, "", { mode: 0o600 });
    const spec = { ...it.spec, disks: { ...it.spec.disks, base: own } };
    await assert.rejects(it.driver.launch(spec, signal), {
      code: "driver_unavailable",
      hint: `chmod o+r ${own}`,
    });
    assert.equal(statSync(own).mode & 0o777, 0o600);
    it.assertNothingLeft();
  });

  describe("is chosen", () => {
    const choose = (configured?: string) => chooseJailer(double.program, configured);

    test("where one of the same release is beside Firecracker, or named", async () => {
      const chosen = { jailer: jailer.program, execName: "firecracker", version: "1.17.0" };
      assert.deepEqual(await choose(), chosen);
      assert.deepEqual(await choose(jailer.program), chosen);
    });

    test("not when it is of another release, is missing, or would not take the program: who named it is told, else bubblewrap confines", async (t) => {
      jailer.plan({ version: "1.16.0" });
      t.after(() => jailer.plan({}));
      const other = await choose();
      assert.match((other.jailer === null && other.why) || "", /is 1\.16\.0, Firecracker is 1\.17\.0/);
      const named = await choose(jailer.program);
      assert.match((named.jailer === null && named.refusal?.fix) || "", /correct jailer_bin/);
      const missing = await choose("/no/such/jailer");
      assert.match(
        (missing.jailer === null && missing.refusal?.reason) || "",
        /\/no\/such\/jailer does not exist/,
      );
      const renamed = join(temporaryFolder(t), "fc");
      copyFileSync(double.program, renamed);
      const odd = await chooseJailer(renamed, jailer.program);
      assert.match((odd.jailer === null && odd.refusal?.reason) || "", /lacks "firecracker"/);
      const it = bed(t);
      const driver = firecrackerDriver({
        program: renamed,
        cache: home,
        jailer: jailer.program,
        accelerator: it.accelerator,
      });
      await assert.rejects(driver.launch(it.spec, signal), { code: "driver_unavailable" });
      assert.equal((await driver.probe()).usable, false);
      it.assertNothingLeft();
    });
  });
});

describe("the jailer's double refuses what the jailer refuses:", { skip: jailsMissing }, () => {
  const good = { id: "vm-1", "exec-file": double.program, uid: "1879048193", gid: "1879048192" };
  const cases: Record<string, readonly [Partial<typeof good> & { "chroot-base-dir"?: string }, RegExp]> = {
    "an id with other characters": [{ id: "vm_1" }, /Invalid char \(_\) at position 2/],
    "an id that is too long": [{ id: "x".repeat(65) }, /Invalid len \(65\)/],
    "a program of another name": [{ "exec-file": "/bin/true" }, /must contain "firecracker": true/],
    "a program that is not there": [
      { "exec-file": "/no/firecracker" },
      /Failed to canonicalize path \/no\/firecracker/,
    ],
    "a user that is no number": [{ uid: "root" }, /Invalid uid: root/],
    "a base that is not there": [{ "chroot-base-dir": "/no/base" }, /Failed to canonicalize path \/no\/base/],
    "a path that is too long": [{ "chroot-base-dir": "long" }, /File name too long/],
    "what is left of a jail": [
      { "chroot-base-dir": "left" },
      /Failed to create "\/dev\/net\/tun".*File exists/,
    ],
  };
  for (const [what, [change, words]] of Object.entries(cases)) {
    test(what, (t) => {
      const base = temporaryFolder(t);
      let { "chroot-base-dir": at = base } = change;
      if (at === "left") {
        at = base;
        mkdirSync(join(at, "firecracker/vm-1/root/dev/net"), { recursive: true });
        writeFileSync(join(at, "firecracker/vm-1/root/dev/net/tun"), "");
      }
      if (at === "long") at = `/tmp/${"x".repeat(300)}`;
      const args = Object.entries({ ...good, ...change, "chroot-base-dir": at }).flatMap(([name, value]) => [
        `--${name}`,
        value,
      ]);
      const { status, stderr } = spawnSync("unshare", ["--mount", "--", jailer.program, ...args], {
        encoding: "utf8",
      });
      assert.notEqual(status, 0);
      assert.match(stderr, words);
    });
  }

  test("arguments that it does not know, or that are missing", () => {
    const ran = (...args: string[]) => spawnSync(jailer.program, args, { encoding: "utf8" }).stderr;
    assert.match(ran("--dance"), /Found argument '--dance' which wasn't expected/);
    assert.match(ran("--id", "vm-1"), /Argument 'exec-file' required, but not found/);
    assert.match(ran("--id"), /requires a value/);
  });
});
