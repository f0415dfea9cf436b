/** QEMU without banger: the same kernel, initramfs, disks and arguments, started by hand and brought to the same hello. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { silent, type Work } from "../../src/core/stage.ts";
import { ensureAgentBinary } from "../../src/disk/agent-binary.ts";
import { ensureInitramfs } from "../../src/disk/initramfs.ts";
import { cloneStateDisk, ensureStateTemplate } from "../../src/disk/state-disk.ts";
import { type GuestSession, openGuest, startProcess } from "../../src/guest/index.ts";
import { resolvePaths } from "../../src/host/paths.ts";
import { connectUnix } from "../../src/host/unix-socket.ts";
import { ImageStore } from "../../src/images/store.ts";
import { elfKernel } from "../../src/kernels/elf-kernel.ts";
import { DEFAULT_KERNEL, KernelStore } from "../../src/kernels/store.ts";
import type { Vm } from "../../src/sdk/index.ts";
import type { LaunchSpec } from "../../src/vmm/driver.ts";
import { qemuArguments, SOCKETS } from "../../src/vmm/qemu/arguments.ts";

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
  tscKhz: number | null,
  more: readonly string[] = [],
): Promise<BareVm> {
  const watcher = watch(spec.directory);
  const changed = () => once(watcher, "change");
  const qemu = spawn("qemu-system-x86_64", [...qemuArguments(spec, tscKhz), ...more], {
    cwd: spec.directory,
    stdio: "ignore",
  });
  const connect = (name: string) => connectUnix(join(spec.directory, name)).catch(() => null);
  let socket = await connect(SOCKETS.agent);
  while (!socket) {
    await changed();
    socket = await connect(SOCKETS.agent);
  }
  watcher.close();
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
