/** Routes of single kernels. */
import type { kernelsRoutes } from "../api/routes/kernels.ts";
import { BangerError } from "../core/errors.ts";
import { exportKernel } from "../kernels/export.ts";
import type { KernelSource } from "../kernels/import.ts";
import type { VmContext } from "../vm/context.ts";
import type { Operations } from "./operations.ts";
import type { Handlers } from "./server.ts";
import { kernelRow, type Stores } from "./store-handlers.ts";

export function kernelHandlers(
  context: VmContext & Stores,
  operations: Operations,
): Pick<Handlers, keyof typeof kernelsRoutes> {
  const { kernels } = context;
  return {
    getKernel: async ({ params }) => {
      const kernel = await kernels.find(params.kernel ?? "");
      const { elf } = await context.supplies.use(() => context.bootFiles.kernel(kernel));
      return {
        ...kernelRow(context, kernel),
        package: kernel.packageName ? `${kernel.packageName} ${kernel.packageVersion}` : null,
        modules: kernel.modules !== null,
        boot_modules: kernel.bootModules.map((file) => /([^/]+)\.ko$/.exec(file)?.[1] ?? file),
        config: kernel.config,
        direct_boot: "path" in elf && elf.pvh,
        firecracker: "problem" in elf ? elf.problem : null,
      };
    },
    importKernel: async ({ body }) => {
      const source = sourceOf(body);
      return operations.start("kernel_import", body.name, async (work) => {
        await context.supplies.use(() => kernels.import(body.name, source, work));
      });
    },
    exportKernel: async ({ params, body }) => {
      const kernel = await kernels.find(params.kernel ?? "");
      return operations.start("kernel_export", kernel.name, (work) =>
        context.supplies.use(() => exportKernel(kernel, body.path, work)),
      );
    },
  };
}

interface Asked {
  readonly from?: string | undefined;
  readonly vmlinuz?: string | undefined;
  readonly modules?: string | undefined;
  readonly config?: string | undefined;
}

/** @throws invalid_argument unless it is a folder alone, or an image with what belongs to it */
function sourceOf({ from, vmlinuz, modules, config }: Asked): KernelSource {
  if (from !== undefined && !vmlinuz && !modules && !config) return { from };
  if (vmlinuz !== undefined && from === undefined)
    return { vmlinuz, modules: modules ?? null, config: config ?? null };
  throw BangerError.of("invalid_argument", {
    what: "kernel import",
    problem: from === undefined ? "there is nothing to import" : "--from names everything already",
    accepted: "use either --from FOLDER, or --vmlinuz FILE with --modules and --config",
  });
}
