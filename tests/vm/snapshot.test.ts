/** The drivers' own promise of pause, save and restore, without the daemon: what snapshots are built on. */
import assert from "node:assert/strict";
import { copyFile, mkdir, readdir, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { before, describe, test } from "node:test";
import { MIB } from "../../src/core/units.ts";
import { type GuestSession, openGuest, powerOff, startProcess } from "../../src/guest/index.ts";
import { allocatedBytes } from "../../src/host/disk-usage.ts";
import type { LaunchSpec, Machine } from "../../src/vmm/driver.ts";
import { leftProcesses } from "../support/command.ts";
import { eachDriver } from "../support/each-driver.ts";
import { makeHome } from "../support/home.ts";
import { launchSpec, quietly } from "../support/launch-spec.ts";
import { patient } from "../support/patience.ts";

const BOOT_MS = patient(60_000);

async function greet(machine: Machine): Promise<GuestSession> {
  machine.console.resume();
  return openGuest(await machine.connectAgent(), { signal: AbortSignal.timeout(BOOT_MS) });
}

async function output(session: GuestSession, script: string): Promise<string> {
  const process = await startProcess(session, { argv: ["/bin/sh", "-c", script] });
  return text(process.stdout);
}

const home = await makeHome();

for (const { title, driver, status } of await eachDriver(home)) {
  describe(`a machine on ${title}`, async () => {
    if (!status.usable) return test("saves its state", (t) => t.skip(status.reason));
    const of = (name: string) => join(home.path, `${title}-${name}`);
    const saved = join(of("source"), "saved");
    let spec: LaunchSpec;
    let source: Machine;
    let session: GuestSession;

    before(async () => {
      spec = await launchSpec(home, `${title}-source`, status.accelerator);
      source = await driver.launch(spec, quietly.signal);
      session = await greet(source);
    });

    test("stands still while paused, twice is once, and goes on where it was", async () => {
      await source.pause();
      await source.pause();
      assert.equal(await source.answers(), true);
      const late = output(session, "echo awake");
      assert.equal(await Promise.race([late, source.answers().then(() => "asleep")]), "asleep");
      await source.resume();
      await source.resume();
      assert.equal(await late, "awake\n");
    });

    test("is saved, goes on, and goes on once more in a new process from the moment of saving", async () => {
      await output(session, "echo before > /root/mark; sync; (sleep 1000 &)");
      await source.pause();
      await mkdir(saved, { mode: 0o700 });
      await source.saveState(saved, quietly.signal);
      const state = of("state.copy");
      await copyFile(spec.disks.state, state);
      await source.resume();
      assert.equal(await output(session, "echo after > /root/mark; cat /root/mark"), "after\n");

      const directory = of("copy");
      await mkdir(directory, { mode: 0o700 });
      const disks = { ...spec.disks, state: join(directory, "state.ext4") };
      await copyFile(state, disks.state);
      const copy = await driver.restore(
        { ...spec, id: "copy", directory, disks },
        { folder: saved },
        quietly.signal,
      );
      try {
        const expected = await copy.stateBytes(spec.memoryMib);
        const files = (await readdir(saved)).map((name) => allocatedBytes(join(saved, name)));
        const largest = Math.max(...(await Promise.all(files)));
        assert.ok(
          largest < expected + MIB,
          `${largest} of ${expected} bytes, hardly one of which it has looked at`,
        );
        await copy.resume();
        const again = await greet(copy);
        assert.equal(again.hello.bootId, session.hello.bootId);
        assert.equal(
          await output(again, "cat /root/mark; pgrep -x sleep >/dev/null && echo runs"),
          "before\nruns\n",
        );
        assert.equal(await output(session, "cat /root/mark"), "after\n");
        await powerOff(again, { graceMs: 5000 });
        assert.equal((await copy.exited).expected, true, "a guest that goes down in order is no accident");
      } finally {
        await copy.kill();
      }
    });

    test("a state that was cut short is refused, and nothing is left running", async () => {
      const broken = of("broken");
      await mkdir(broken, { mode: 0o700 });
      for (const name of await readdir(saved)) {
        const part = join(broken, name);
        await copyFile(join(saved, name), part);
        await truncate(part, Math.floor((await stat(part)).size / 2));
      }
      const directory = of("hopeless");
      await mkdir(directory, { mode: 0o700 });
      const disks = { ...spec.disks, state: join(directory, "state.ext4") };
      await copyFile(of("state.copy"), disks.state);
      await assert.rejects(
        driver.restore({ ...spec, directory, disks }, { folder: broken }, quietly.signal),
        {
          code: "driver_failed",
        },
      );
      assert.deepEqual(await leftProcesses(directory), []);
    });

    test("ends while it is paused, when it is told to", async () => {
      await source.pause();
      await source.kill();
      assert.equal((await source.exited).expected, true);
      assert.equal(await source.answers(), false);
    });
  });
}
