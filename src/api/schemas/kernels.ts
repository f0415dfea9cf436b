/** Kernels in detail. */
import { z } from "zod";
import { hostPath } from "./images.ts";
import { kernel } from "./stores.ts";

export const kernelDetails = kernel
  .extend({
    package: z.string().nullable().describe("the package and its version that it is of"),
    modules: z.boolean().describe("false: everything is built in"),
    boot_modules: z.array(z.string()).describe("modules that are inserted before init, in order"),
    config: hostPath.nullable().describe("file of this host with its configuration"),
    direct_boot: z.boolean().describe("QEMU enters it unpacked (PVH)"),
    firecracker: z.string().nullable().describe("null: Firecracker can boot it; else why not"),
  })
  .meta({ id: "KernelDetails" });

export const importKernel = z
  .strictObject({
    name: z.string().min(1).max(64),
    from: hostPath.optional().describe("folder that holds the kernel; the other paths are left out then"),
    vmlinuz: hostPath.optional().describe("bzImage or ELF kernel"),
    modules: hostPath
      .optional()
      .describe("its lib/modules/<release>, or a squashfs of it; left out when everything is built in"),
    config: hostPath.optional().describe("what it was built with; left out when the kernel carries it"),
  })
  .meta({ id: "ImportKernel" });

export const exportKernel = z
  .strictObject({ path: hostPath.describe("folder that does not exist yet") })
  .meta({ id: "ExportKernel" });

export type KernelDetails = z.infer<typeof kernelDetails>;
