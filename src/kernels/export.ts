/** Writes a kernel to a folder that `importKernel` reads again: vmlinuz, and where it has them modules.squashfs and config. */
import { constants } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { exists, publishFile } from "../host/files.ts";
import { ENTRY } from "./pack.ts";
import type { Kernel } from "./store.ts";

/** @param target a folder that does not exist yet; on failure it does not exist then either. @throws kernel_export_failed */
export async function exportKernel(kernel: Kernel, target: string, work: Work): Promise<void> {
  work.report.stage("writing kernel", target);
  const files = [
    [kernel.vmlinuz, ENTRY.image],
    [kernel.modules, ENTRY.modules],
    [kernel.config, ENTRY.config],
  ] as const;
  try {
    if (await exists(target)) throw new Error("it exists already");
    await publishFile(target, async (temporary) => {
      await mkdir(temporary);
      for (const [from, name] of files) {
        if (from !== null) await copyFile(from, join(temporary, name), constants.COPYFILE_FICLONE);
        work.signal.throwIfAborted();
      }
    });
  } catch (error) {
    work.signal.throwIfAborted();
    const reason = (error as Error).message;
    throw BangerError.of(
      "kernel_export_failed",
      { name: kernel.name, path: target, reason },
      { cause: error },
    );
  }
}
