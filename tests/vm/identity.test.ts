/** Copies of one machine, made without the daemon: each is a machine of its own before its first command, and what ran goes on. */
import assert from "node:assert/strict";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { type GuestSession, openGuest, startProcess, waitSystem } from "../../src/guest/index.ts";
import { configureGuest } from "../../src/vm/configure.ts";
import type { LaunchSpec, Machine } from "../../src/vmm/driver.ts";
import { suitesOwn } from "../support/each-driver.ts";
import { makeHome } from "../support/home.ts";
import { launchSpec, quietly } from "../support/launch-spec.ts";
import { patient } from "../support/patience.ts";

const BOOT_MS = patient(120_000);
const COPIES = ["one", "two"] as const;
const HOST = { publicKey: null, gitConfig: null, trusted: { certificates: [], problems: [] } };

async function greet(machine: Machine): Promise<GuestSession> {
  machine.console.resume();
  return openGuest(await machine.connectAgent(), { signal: AbortSignal.timeout(BOOT_MS) });
}

async function output(session: GuestSession, script: string): Promise<string> {
  const process = await startProcess(session, { argv: ["/bin/sh", "-c", script] });
  return (await text(process.stdout)).trim();
}

const home = await makeHome();

describe("copies of a machine", async () => {
  const { driver, accelerator } = await suitesOwn(home);
  const machines: Machine[] = [];
  after(() => Promise.all(machines.map((machine) => machine.kill())));
  const copies = new Map<string, GuestSession>();
  let source: GuestSession;
  let bootId: string;
  let savedAt: number;

  before(async () => {
    const spec = await launchSpec(home, "source", accelerator, { kernelArgs: ["banger.init=/sbin/init"] });
    const machine = await driver.launch(spec, quietly.signal);
    machines.push(machine);
    source = await greet(machine);
    await configureGuest(
      source,
      { name: "source", nat: false, borrowed: false },
      { env: {}, resolvers: [] },
      HOST,
    );
    await waitSystem(source);
    await output(source, "echo said before | systemd-cat -t copies; journalctl --sync; (sleep 1000 &)");
    bootId = source.hello.bootId;
    await machine.pause();
    const saved = join(spec.directory, "saved");
    await mkdir(saved, { mode: 0o700 });
    await machine.saveState(saved, quietly.signal);
    savedAt = Date.now();
    for (const name of COPIES) copies.set(name, await copy(spec, saved, name));
    await machine.resume();
  });

  async function copy(spec: LaunchSpec, saved: string, name: string): Promise<GuestSession> {
    const directory = join(home.path, name);
    await mkdir(directory, { mode: 0o700 });
    const disks = { ...spec.disks, state: join(directory, "state.ext4") };
    await copyFile(spec.disks.state, disks.state);
    const machine = await driver.restore(
      { ...spec, id: name, directory, disks },
      { folder: saved },
      quietly.signal,
    );
    machines.push(machine);
    await machine.resume();
    const session = await greet(machine);
    await configureGuest(session, { name, nat: false, borrowed: true }, { env: {}, resolvers: [] }, HOST);
    return session;
  }

  /** One answer of the source and of each copy. */
  const ask = (script: string) =>
    Promise.all([source, ...copies.values()].map((session) => output(session, script)));

  test("differ in name, machine id, ssh host key and random numbers, from each other and from the source", async () => {
    assert.deepEqual(
      await ask("hostname; cat /etc/hostname"),
      ["source", ...COPIES].map((name) => `${name}\n${name}`),
    );
    for (const what of [
      "cat /etc/machine-id",
      "cat /etc/ssh/ssh_host_ed25519_key",
      "cat /etc/ssh/ssh_host_ed25519_key.pub",
      "head -c 32 /dev/urandom | od -An -tx1",
      "cat /proc/sys/kernel/random/uuid",
    ]) {
      const answers = await ask(what);
      assert.equal(new Set(answers).size, 3, `${what}: ${answers.join(" | ")}`);
      assert.ok(
        answers.every((answer) => answer.length > 30),
        what,
      );
    }
  });

  test("have a server that shows the new key, and only that one", async () => {
    const files = await ask("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub");
    // sshd takes a moment to begin anew; ssh-keyscan says nothing when nobody listens yet.
    const scan =
      "until ssh-keyscan -T 60 -t ed25519 127.0.0.1 2>/dev/null | grep .; do :; done | cut -d' ' -f2,3";
    assert.deepEqual(await ask(scan), files);
    assert.deepEqual(await ask("ls /etc/ssh | grep -c 'ssh_host.*key$'"), ["1", "1", "1"]);
  });

  test("know the time, and are of the same boot", async () => {
    for (const session of copies.values()) {
      const before = Date.now();
      const told = Number(await output(session, "date +%s%3N"));
      // Set to what the host's clock said when it sent it: on a busy host the guest hears of it later.
      assert.ok(told > savedAt && told > before - 10_000 && told < Date.now() + 1000, `${told} at ${before}`);
      assert.equal(session.hello.bootId, bootId);
    }
  });

  test("go on with what ran, and with the journal", async () => {
    assert.deepEqual(await ask("pgrep -xc sleep"), ["1", "1", "1"]);
    assert.deepEqual(
      await ask("systemctl is-system-running; systemctl is-active ssh"),
      Array(3).fill("running\nactive"),
    );
    await ask("echo said after | systemd-cat -t copies; journalctl --sync");
    assert.deepEqual(await ask("journalctl -t copies -o cat"), Array(3).fill("said before\nsaid after"));
  });
});
