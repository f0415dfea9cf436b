/** What must be true of a home whenever nothing is under way, whatever happened before. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Banger, Vm } from "../../src/sdk/index.ts";
import { leftProcesses } from "./command.ts";
import type { TestHome } from "./home.ts";
import { monitorsOf } from "./monitors.ts";
import { namesDouble } from "./suite-driver.ts";

/** What a running monitor has in its folder; Firecracker's double has a QEMU in its, with sockets of its own. */
const SOCKETS = {
  qemu: ["agent.sock", "console.sock", "net.sock", "qmp.sock"],
  firecracker: ["api.sock", "vsock.sock", "console.fifo", "log.fifo", "net.sock"],
};
const DOUBLES = [...SOCKETS.firecracker, ...SOCKETS.qemu];
const FILES = [
  "state.ext4",
  "console.log",
  "console.log.1",
  "vmm.log",
  ...(namesDouble() ? ["double.calls", "qemu.log"] : []),
];
const run = promisify(execFile);

/** Resolves when the operations under way have ended, however they did. */
export async function settled(banger: Banger): Promise<void> {
  for (const { id } of await banger.operations.list()) await banger.operations.follow(id).catch(() => {});
}

/**
 * Waits for what is under way, then checks: every VM rests or runs (or stands still in memory); a monitor, and sockets, for those that run only; no
 * other process, folder or temporary file; disks whole and of the recorded size.
 */
export async function assertSound(banger: Banger, home: TestHome): Promise<Vm[]> {
  await settled(banger);
  const vms = (await banger.list()).map((vm) => vm.info);
  const folders = await readdir(join(home.state, "vms"));
  assert.deepEqual(folders.sort(), vms.map((vm) => vm.id).sort(), "a folder for each VM and no other");
  for (const vm of vms) await assertVmSound(vm, home);
  const { pid } = await banger.status();
  const monitors = (await Promise.all(vms.map((vm) => monitorsOf(home.state, vm.id)))).flat();
  const expected = new Set([pid, ...monitors].map(String));
  const others = (await leftProcesses(home.path)).filter((line) => !expected.has(line.split(":")[0] ?? ""));
  assert.deepEqual(others, [], "no process but the daemon and the monitors of its VMs");
  for (const folder of [home.state, join(home.path, ".cache/banger")]) {
    const names = await readdir(folder, { recursive: true });
    assert.deepEqual(
      names.filter((name) => name.includes(".tmp-")),
      [],
      "no temporary files",
    );
  }
  return vms;
}

async function assertVmSound(vm: Vm, home: TestHome): Promise<void> {
  assert.match(
    vm.state,
    /^(running|paused|stopped|error)$/,
    `${vm.name} neither rests nor runs: ${vm.reason}`,
  );
  const runs = vm.state === "running" || vm.state === "paused";
  const monitors = await monitorsOf(home.state, vm.id);
  assert.equal(monitors.length > 0, runs, `${vm.name} is ${vm.state} with ${monitors.length} processes`);
  const folder = join(home.state, "vms", vm.id);
  const sockets = namesDouble() ? DOUBLES : SOCKETS[vm.driver as keyof typeof SOCKETS];
  const allowed = runs ? [...FILES, ...sockets, "jail"] : FILES;
  assert.deepEqual(
    (await readdir(folder)).filter((name) => !allowed.includes(name)),
    [],
    `files of a ${vm.state} VM`,
  );
  const disk = join(folder, "state.ext4");
  assert.equal((await stat(disk)).size, vm.disk_bytes);
  if (!runs) await assertFilesystemSound(disk, join(home.path, "checked.ext4"));
}

/** Replays the journal on a copy, as a mount would, and then wants nothing to mend. */
async function assertFilesystemSound(disk: string, copy: string): Promise<void> {
  await run("cp", ["--sparse=always", disk, copy]);
  await run("e2fsck", ["-E", "journal_only", "-fy", copy]).catch(() => {}); // 1: it replayed something
  await run("e2fsck", ["-fn", copy]);
  await rm(copy);
}
