/** QEMU without banger: the same kernel, initramfs, disks and arguments, started by hand and brought to the same hello. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { silent, type Work } from "../../src/core/stage.ts";
import { MIB } from "../../src/core/units.ts";
import { ensureAgentBinary } from "../../src/disk/agent-binary.ts";
import { ensureInitramfs } from "../../src/disk/initramfs.ts";
import { cloneStateDisk, copySparsely, ensureStateTemplate } from "../../src/disk/state-disk.ts";
import { type GuestSession, openGuest, startProcess } from "../../src/guest/index.ts";
import { resolvePaths } from "../../src/host/paths.ts";
import { connectUnix } from "../../src/host/unix-socket.ts";
import { ImageStore } from "../../src/images/store.ts";
import { elfKernel } from "../../src/kernels/elf-kernel.ts";
import { DEFAULT_KERNEL, KernelStore } from "../../src/kernels/store.ts";
import type { Vm } from "../../src/sdk/index.ts";
import type { LaunchSpec } from "../../src/vmm/driver.ts";
import { type Emulator, qemuArguments, SOCKETS } from "../../src/vmm/qemu/arguments.ts";
import { Qmp } from "../../src/vmm/qemu/qmp.ts";
import { loadMachine, memoryFile, stateFile } from "../../src/vmm/qemu/state-file.ts";
import type { BenchHome } from "./setting.ts";

const BOOT_MS = 120_000;
const work: Work = { report: silent, signal: new AbortController().signal };

/** A machine that only lacks being started. */
export async function prepareBare(home: string, vm: Vm): Promise<LaunchSpec> {
  const paths = resolvePaths({ HOME: home });
  const kernel = await new KernelStore({ paths }).ensure(DEFAULT_KERNEL, work);
  const image = await new ImageStore({ paths }).ensure("debian-slim", work);
  const agent = await ensureAgentBinary(paths, work);
  await mkdir(join(home, "bare"), { recursive: true });
  const directory = await mkdtemp(join(home, "bare", "vm-"));
  const state = join(directory, "state.ext4");
  await cloneStateDisk(await ensureStateTemplate(paths, vm.disk_bytes, work.signal), state);
  return {
    id: "bare",
    directory,
    vcpu: vm.vcpu,
    memoryMib: vm.memory_mib,
    accelerator: vm.accelerator ?? "tcg",
    kernel: { image: kernel.vmlinuz, elf: await elfKernel(paths.cache, kernel) },
    initramfs: await ensureInitramfs(paths, { agent, modules: kernel.bootModules }),
    kernelArgs: image.init ? [`banger.init=${image.init}`] : [],
    disks: { base: image.rootfs, state, modules: kernel.modules },
    nested: false,
    diskRate: null,
    netRate: null,
  };
}

export interface BareVm {
  readonly process: ChildProcess;
  readonly session: GuestSession;
  /** Ends it and waits until it is gone. */
  end(): Promise<void>;
}

/** Starts QEMU and waits for the agent's hello. */
export async function startBare(
  spec: LaunchSpec,
  emulator: Emulator,
  more: readonly string[] = [],
): Promise<BareVm> {
  const qemu = spawn("qemu-system-x86_64", [...qemuArguments(spec, emulator), ...more], {
    cwd: spec.directory,
    stdio: "ignore",
  });
  const socket = await untilConnected(spec.directory, SOCKETS.agent);
  const session = await openGuest(socket, { signal: AbortSignal.timeout(BOOT_MS) });
  return {
    process: qemu,
    session,
    end: async () => {
      qemu.kill("SIGTERM");
      if (qemu.exitCode === null && qemu.signalCode === null) await once(qemu, "exit");
    },
  };
}

/** Runs a script in a bare VM. @throws when it fails */
export async function inBare(vm: BareVm, script: string): Promise<string> {
  const process = await startProcess(vm.session, { argv: ["/bin/sh", "-ec", script] });
  const [out, problem] = await Promise.all([text(process.stdout), text(process.stderr)]);
  const { code } = await process.exited;
  if (code !== 0) throw new Error(`in the bare VM: ${problem || out}`);
  return out;
}

/** A template of banger's, as its driver and `WarmTemplates` lay it out. */
export interface BareTemplate {
  readonly state: string;
  readonly disk: string;
}

/** A machine that only lacks being started from the template. */
export async function prepareRestore(home: string, vm: Vm, template: BareTemplate): Promise<LaunchSpec> {
  const spec = await prepareBare(home, vm);
  await rm(spec.disks.state);
  await copySparsely(template.disk, spec.disks.state);
  return spec;
}

/** QEMU by hand from a template's state to the answer of a first command, and its end. */
export async function restoreBare(spec: LaunchSpec, home: BenchHome, template: BareTemplate): Promise<void> {
  const agent = await ensureAgentBinary(resolvePaths({ HOME: home.path }), work);
  const lend = [
    "--lend",
    stateFile(template.state),
    memoryFile(template.state),
    String(spec.memoryMib * MIB),
  ];
  const args = [...qemuArguments(spec, home.emulator, "inherited"), "-S", "-incoming", "defer"];
  const qemu = spawn(agent, [...lend, "qemu-system-x86_64", ...args], {
    cwd: spec.directory,
    stdio: ["ignore", "ignore", "inherit", "ignore", "ignore", "pipe"],
  });
  await once((qemu.stdio as unknown as Readable[])[5] as Readable, "data");
  const qmp = await Qmp.open(await untilConnected(spec.directory, SOCKETS.qmp));
  await loadMachine(qmp, true);
  await qmp.execute("cont");
  const channel = await connectUnix(join(spec.directory, SOCKETS.agent));
  const session = await openGuest(channel, { signal: AbortSignal.timeout(BOOT_MS) });
  const process = await startProcess(session, { argv: ["true"] });
  await process.exited;
  qemu.kill("SIGTERM");
  if (qemu.exitCode === null && qemu.signalCode === null) await once(qemu, "exit");
}

async function untilConnected(folder: string, name: string): Promise<Socket> {
  const watcher = watch(folder);
  for (;;) {
    const changed = once(watcher, "change");
    const socket = await connectUnix(join(folder, name)).catch(() => null);
    if (socket) {
      changed.catch(() => {});
      watcher.close();
      return socket;
    }
    await changed;
  }
}
