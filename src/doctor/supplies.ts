/** The kernel and the image that a VM gets by default: here already, or obtained by the first VM. */
import { Catalogs } from "../catalog/catalogs.ts";
import type { CatalogSource } from "../core/catalog-source.ts";
import type { Paths } from "../host/paths.ts";
import { hostMirrors } from "../images/host-mirrors.ts";
import { chooseMode } from "../images/squashfs.ts";
import { ImageStore } from "../images/store.ts";
import { KernelStore } from "../kernels/store.ts";
import { fail, pass, type Row, warn } from "./row.ts";

const NO_SOURCE = "this host's apt sources name no Debian archive to obtain it from";
const ADD_SOURCE =
  "add a Debian source with component main to /etc/apt/sources.list.d, signed by debian-archive-keyring";

/** @param apt folder of apt's configuration */
export async function checkKernel(paths: Paths, wanted: string, apt?: string): Promise<Row> {
  const store = new KernelStore({ paths });
  const kernel = await store.find(wanted).catch(() => null);
  if (kernel) return pass("kernel", `${kernel.name} ${kernel.release}`);
  const names = (await store.listAvailable()).map(({ name }) => name);
  return names.includes(wanted)
    ? obtainable("kernel", wanted, apt)
    : fail(
        "kernel",
        `default_kernel '${wanted}' is not here`,
        `banger kernel import ${wanted}, or choose one of: ${names.join(", ")}`,
      );
}

/**
 * @param apt folder of apt's configuration
 * @param sources catalogs of the configuration; they are not asked, but taken as they were last fetched
 */
export async function checkImage(
  paths: Paths,
  wanted: string,
  apt?: string,
  sources: readonly CatalogSource[] = [],
): Promise<Row> {
  const catalogs = new Catalogs({ paths, sources: () => sources });
  const store = new ImageStore({ paths, catalogs });
  const here = await store.find(wanted).catch(() => null);
  if (here && here.source !== "recipe") return pass("image", wanted);
  const available = await store.listAvailable();
  const image = available.find(({ name }) => name === wanted);
  if (!image) return elsewhere(wanted, available, sources);
  if ((await catalogs.offers("image")).some(({ name }) => name === wanted))
    return pass("image", `${wanted}: not here yet; a catalog has it`);
  if (image.installed) return pass("image", wanted);
  const mode = await chooseMode();
  return typeof mode === "string"
    ? obtainable("image", wanted, apt)
    : fail("image", `${wanted} is not here and cannot be built: ${mode.reason}`, mode.fix);
}

/** An image of neither a recipe nor a catalog that was fetched. */
function elsewhere(
  wanted: string,
  available: readonly { readonly name: string }[],
  sources: readonly CatalogSource[],
): Row {
  if (/[/:@]/.test(wanted)) return pass("image", `${wanted}: not here yet; the first VM asks its registry`);
  if (sources.length > 0)
    return warn(
      "image",
      `no catalog had '${wanted}' when it was last fetched`,
      "banger image list --available asks them",
    );
  const names = available.map(({ name }) => name).join(", ");
  return fail("image", `default_image '${wanted}' is not known`, `choose one of: ${names}`);
}

/** The tools for it have rows of their own; without a Debian archive they have nothing to work on. */
async function obtainable(row: string, name: string, apt?: string): Promise<Row> {
  return (await hostMirrors(apt))
    ? pass(row, `${name}: not here yet; the first VM obtains it`)
    : fail(row, `${name} is not here, and ${NO_SOURCE}`, ADD_SOURCE);
}
