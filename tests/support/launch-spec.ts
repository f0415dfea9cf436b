/** What a driver needs to start a VM, made of a test home's kernel and image: for tests that use drivers without the daemon. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { silent, type Work } from "../../src/core/stage.ts";
import { MIB } from "../../src/core/units.ts";
import { ensureAgentBinary } from "../../src/disk/agent-binary.ts";
import { ensureInitramfs } from "../../src/disk/initramfs.ts";
import { cloneStateDisk, ensureStateTemplate } from "../../src/disk/state-disk.ts";
import { resolvePaths } from "../../src/host/paths.ts";
import { ImageStore } from "../../src/images/store.ts";
import { elfKernel } from "../../src/kernels/elf-kernel.ts";
import { DEFAULT_KERNEL, KernelStore } from "../../src/kernels/store.ts";
import type { Accelerator, LaunchSpec } from "../../src/vmm/driver.ts";
import type { TestHome } from "./home.ts";

export const quietly: Work = { report: silent, signal: new AbortController().signal };

/** @param change what is to be otherwise than in a small VM of the default image */
export async function launchSpec(
  home: TestHome,
  id: string,
  accelerator: Accelerator,
  change: { readonly base?: string; readonly diskMib?: number } & Partial<LaunchSpec> = {},
): Promise<LaunchSpec> {
  const { base, diskMib = 256, ...rest } = change;
  const paths = resolvePaths(home.env);
  const kernel = await new KernelStore({ paths }).ensure(DEFAULT_KERNEL, quietly);
  const agent = await ensureAgentBinary(paths, quietly);
  const directory = join(home.path, id);
  await mkdir(directory, { mode: 0o700 });
  const state = join(directory, "state.ext4");
  await cloneStateDisk(await ensureStateTemplate(paths, diskMib * MIB, quietly.signal), state);
  return {
    id,
    directory,
    vcpu: 1,
    memoryMib: 256,
    accelerator,
    kernel: { image: kernel.vmlinuz, elf: await elfKernel(paths.cache, kernel) },
    initramfs: await ensureInitramfs(paths, { agent, modules: kernel.bootModules }),
    kernelArgs: [],
    disks: {
      base: base ?? (await new ImageStore({ paths }).ensure("debian-slim", quietly)).rootfs,
      state,
      modules: kernel.modules,
    },
    nested: false,
    diskRate: null,
    netRate: null,
    ...rest,
  };
}
