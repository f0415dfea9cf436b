/** Daemon, monitor and client are killed at every checkpoint of every pipeline; everything is right again afterwards. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { CHECKPOINTS, type Checkpoint } from "../../src/core/checkpoints.ts";
import { MIB } from "../../src/core/units.ts";
import type { Banger, Sandbox } from "../../src/sdk/index.ts";
import { Faults, untilHolds } from "../support/faults.ts";
import { makeHome } from "../support/home.ts";
import { git, makeRepository, write } from "../support/repository.ts";
import { assertSound, settled } from "../support/soundness.ts";

const SMALL = ["--vcpu", "1", "--memory", "256M", "--disk-size", "256M"];

/** The points of a pipeline, in order. */
const pointsOf = (pipeline: string) => CHECKPOINTS.filter((point) => point.startsWith(`${pipeline}.`));
/** Before these there is no monitor that a record knows. */
const UNKNOWN_MONITOR: readonly Checkpoint[] = ["start.recorded", "start.spawned", "start.launched"];

describe("killed at every checkpoint", async () => {
  const home = await makeHome();
  const faults = new Faults(home);
  let size = 256;

  async function make(banger: Banger, name: string): Promise<Sandbox> {
    assert.equal(await faults.run(["vm", "create", "--no-start", "--name", name, ...SMALL]), 0);
    return banger.get(name);
  }

  /** What the next `vm set` asks for: another name, a larger disk. */
  const change = (name: string) => {
    size += 64;
    return ["vm", "set", name, "--name", `${name.split("-")[0]}-${size}`, "--disk-size", `${size}M`];
  };

  async function assertChanged(vm: Sandbox): Promise<void> {
    const info = await vm.refresh();
    assert.equal(info.disk_bytes, size * MIB);
    assert.equal((await vm.exec(["hostname"])).text.trim(), info.name);
    const { text } = await vm.exec(["sh", "-c", "df -k --output=size / | tail -1"]);
    assert.ok(Number(text) * 1024 > (size - 48) * MIB, `the filesystem has ${text} KiB of ${size} MiB`);
  }

  test("the daemon", async () => {
    let banger = await faults.connect();
    for (const point of pointsOf("create")) {
      banger = await faults.cutOff(point, ["vm", "create", "--no-start", "--name", "box", ...SMALL]);
      assert.deepEqual(await banger.list(), [], `${point}: nothing remains of a VM that was being made`);
    }
    let vm = await make(banger, "box");

    for (const point of pointsOf("start")) {
      banger = await faults.cutOff(point, ["vm", "start", "box"]);
      vm = await banger.get("box");
      assert.equal(vm.state, UNKNOWN_MONITOR.includes(point) ? "stopped" : "running", point);
      if (vm.state === "running") await vm.exec(["true"]);
      if (vm.state === "running" && point !== "start.running") await vm.kill();
    }

    for (const point of pointsOf("set")) {
      banger = await faults.cutOff(point, change(vm.name));
      vm = await banger.get(vm.id);
      assert.equal(vm.state, "running");
      await assertChanged(vm);
    }

    for (const point of pointsOf("pause")) {
      banger = await faults.cutOff(point, ["vm", "pause", vm.name]);
      vm = await banger.get(vm.id);
      assert.equal(vm.state, point === "pause.recorded" ? "paused" : "running", point);
      await vm.resume();
      await vm.exec(["true"]);
    }
    for (const point of pointsOf("resume")) {
      await vm.pause();
      banger = await faults.cutOff(point, ["vm", "resume", vm.name]);
      vm = await banger.get(vm.id);
      assert.equal(vm.state, point === "resume.recorded" ? "running" : "paused", point);
      await vm.resume();
      await vm.exec(["true"]);
    }

    for (const point of pointsOf("recover")) {
      await home.killDaemon();
      faults.arm({ point, victim: "daemon" });
      await assert.rejects(faults.connect(), { code: "daemon_start_failed" });
      faults.killed.add(point);
      banger = await faults.connect();
      await assertSound(banger, home);
      vm = await banger.get(vm.id);
      assert.equal((await vm.exec(["hostname"])).text.trim(), vm.name);
    }

    for (const point of pointsOf("stop")) {
      if (vm.state !== "running") await vm.start();
      await vm.files.write("/root/unsynced", point);
      banger = await faults.cutOff(point, ["vm", "stop", vm.name]);
      vm = await banger.get(vm.id);
      assert.equal(vm.state, "stopped", point);
      await vm.start();
      assert.equal(await vm.files.readText("/root/unsynced"), point, "stopped in order all the same");
    }

    for (const point of pointsOf("delete")) {
      banger = await faults.cutOff(point, ["vm", "delete", vm.name]);
      assert.deepEqual(await banger.list(), [], `${point}: the deletion is finished`);
      vm = await make(banger, "box");
    }
    await vm.delete();
  });

  test("the daemon, while a repository goes into a guest", async () => {
    let banger = await faults.connect();
    const repo = makeRepository(join(home.path, "app"), { readme: "hello\n", "src/a": "a\n" });
    const prepare = (vm: string, guestPath: string) =>
      ["vm", "workspace", "prepare", vm, repo, "--guest-path", guestPath, "--quiet"] as const;
    const assertWhole = async (guestPath: string) => {
      const vm = await banger.get("work");
      const script = "git status --porcelain; git log --format=%s; ls -A .. | grep -c banger-";
      const { text } = await vm.exec(["sh", "-c", `cat readme; ${script}`], { cwd: guestPath });
      const expected = `${readFileSync(join(repo, "readme"))}${git(repo, "status", "--porcelain")}first\n0\n`;
      assert.equal(text, expected, guestPath);
      assert.deepEqual((await vm.workspace.export()).files, []);
    };
    // A `run` leaves its VM behind: running, without a workspace, ready to be given one.
    banger = await faults.cutOff("workspace.unpacked", ["vm", "run", repo, "-d", "--name", "work", ...SMALL]);
    const vm = await banger.get("work");
    assert.deepEqual([vm.state, vm.info.workspace], ["running", null]);
    assert.equal(await faults.run(prepare("work", "/root/repo")), 0);
    await assertWhole("/root/repo");
    for (const point of pointsOf("workspace").slice(0, -2)) {
      const guestPath = `/srv/${point}`;
      banger = await faults.cutOff(point, prepare("work", guestPath));
      // What stands there whole, but was not written down, is not replaced unasked.
      const force = point === "workspace.placed" || point === "workspace.settled" ? ["--force"] : [];
      assert.equal(await faults.run([...prepare("work", guestPath), ...force]), 0, point);
      await assertWhole(guestPath);
    }
    const guestPath = (await banger.get("work")).info.workspace?.guest_path ?? "";
    for (const point of pointsOf("workspace").slice(-2)) {
      write(repo, { readme: `edited for ${point}\n` });
      banger = await faults.cutOff(point, prepare("work", guestPath));
      // What had been moved is not taken for the guest's own work.
      assert.equal(await faults.run(prepare("work", guestPath)), 0, point);
      await assertWhole(guestPath);
    }
    await (await banger.get("work")).delete();
  });

  test("the monitor", async () => {
    const banger = await faults.connect();
    const vm = await make(banger, "box");
    const shoot = async (point: Checkpoint, act: readonly string[]) => {
      await faults.shoot(vm, point, act);
      return vm.refresh();
    };
    for (const point of pointsOf("start").slice(1)) {
      const { state, reason } = await shoot(point, ["vm", "start", vm.name]);
      assert.match(`${state}: ${reason}`, /^(error|stopped): .*(killed|crashed|SIGKILL)/s, point);
    }
    for (const point of pointsOf("set")) {
      await vm.start();
      size = vm.info.disk_bytes / MIB;
      await assertChanged(vm); // what the one before it left
      await shoot(point, change(vm.name));
      assert.equal(vm.state, "stopped");
    }
    await vm.start();
    assert.equal((await shoot("pause.stopped", ["vm", "pause", vm.name])).state, "stopped");
    for (const point of pointsOf("stop")) {
      await vm.start();
      const { state } = await shoot(point, ["vm", "stop", vm.name]);
      assert.equal(state, "stopped", point);
    }
    await vm.start();
    await shoot("delete.recorded", ["vm", "delete", vm.name]).catch((error) =>
      assert.equal(error.code, "vm_not_found"),
    );
    assert.deepEqual(await banger.list(), []);
  });

  test("the client: a `run` is undone, everything else goes on", async () => {
    const banger = await faults.connect();
    for (const [index, point] of [...pointsOf("create"), ...pointsOf("start")].entries()) {
      // After its creation a VM of `run` without --rm stays.
      const rm = index % 2 === 0 || point === "start.running" ? ["--rm"] : [];
      await faults.leave(point, ["vm", "run", ...rm, ...SMALL, "--", "sleep", "1000"]);
      await untilHolds(`${point}: no VM`, join(home.state, "vms"), async () => {
        await settled(banger);
        return (await banger.list()).length === 0;
      });
      assert.deepEqual(await assertSound(banger, home), [], point);
    }
    const vm = await make(banger, "box");
    await faults.leave("start.spawned", ["vm", "start", "box"]);
    await assertSound(banger, home);
    assert.equal((await vm.refresh()).state, "running");
    await faults.leave("set.recorded", change("box"));
    await assertSound(banger, home);
    await assertChanged(vm);
    await faults.leave("stop.recorded", ["vm", "stop", vm.name]);
    await assertSound(banger, home);
    assert.equal((await vm.refresh()).state, "stopped");
    await faults.leave("delete.recorded", ["vm", "delete", vm.name]);
    assert.deepEqual(await assertSound(banger, home), []);
  });

  test("none was left out", () => {
    assert.deepEqual([...faults.killed].sort(), [...CHECKPOINTS].sort());
  });
});
