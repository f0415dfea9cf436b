/** The kernel and the image that a VM gets by default: here already, or obtained by the first VM. */
import { readConfig } from "../host/config-file.ts";
import type { Paths } from "../host/paths.ts";
import { ImageStore } from "../images/store.ts";
import { DEFAULT_KERNEL, KernelStore } from "../kernels/store.ts";
import { fail, pass, type Row } from "./row.ts";

const ON_FIRST_USE = "not here yet; the first VM obtains it";

export async function checkKernel(paths: Paths): Promise<Row> {
  const kernels = new KernelStore({ paths });
  const kernel = (await kernels.list()).find(({ name }) => name === DEFAULT_KERNEL);
  return pass("kernel", kernel ? `${kernel.name} ${kernel.release}` : `${DEFAULT_KERNEL}: ${ON_FIRST_USE}`);
}

export async function checkImage(paths: Paths): Promise<Row> {
  const { default_image } = await readConfig(paths);
  const images = new ImageStore({ paths });
  if ((await images.list()).some(({ name }) => name === default_image)) return pass("image", default_image);
  const available = await images.listAvailable();
  if (available.some(({ name }) => name === default_image)) {
    return pass("image", `${default_image}: ${ON_FIRST_USE}`);
  }
  const names = available.map(({ name }) => name).join(", ");
  return fail("image", `default_image '${default_image}' is not known`, `choose one of: ${names}`);
}
