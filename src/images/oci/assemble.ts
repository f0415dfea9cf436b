/** Makes an image's root filesystem of layers that are here. */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { checkpoint } from "../../core/checkpoints.ts";
import { BangerError } from "../../core/errors.ts";
import type { Work } from "../../core/stage.ts";
import { requireSpace } from "../../disk/free-space.ts";
import { hashFile } from "../../host/hash.ts";
import { requireTool } from "../../host/tools.ts";
import { chooseMode, ROOTFS, writeSquashfs } from "../squashfs.ts";
import { imageTar, type Plan, planImage } from "./flatten.ts";
import { ImageTree } from "./image-tree.ts";
import { LayerError } from "./layer-entry.ts";
import { DigestError, type Layer, type LayerStore } from "./layer-store.ts";
import { refusal } from "./pull.ts";

export interface Assembly {
  /** For messages. */
  readonly ref: string;
  /** Lowest first. */
  readonly layers: readonly Layer[];
  /** A folder that must be there, such as the working directory; empty when none. */
  readonly folder: string;
}

/**
 * Fills `folder` with the root filesystem.
 * @returns sha256 and size of the squashfs
 * @throws image_refused | image_build_failed | host_packages_missing | no_space
 */
export async function assembleImage(
  assembly: Assembly,
  store: LayerStore,
  folder: string,
  work: Work,
): Promise<{ digest: string; sizeBytes: number }> {
  const { ref, layers } = assembly;
  await requireTool("sqfstar");
  await requireSpace(
    folder,
    layers.reduce((sum, layer) => sum + layer.sizeBytes, 0),
    `image ${ref}`,
  );
  const mode = await chooseMode();
  if (typeof mode !== "string") {
    const { reason, fix } = mode;
    throw BangerError.of("image_build_failed", {
      name: ref,
      stage: "becoming root in a namespace",
      reason,
      fix,
    });
  }
  work.report.stage("making the image", ref);
  const { plan, rootMode } = await plannedTree(assembly, store, work.signal);
  const rootfs = join(folder, ROOTFS);
  try {
    const tar = counted(imageTar(plan, layers, store, work.signal), plan, work);
    await writeSquashfs(tar, rootfs, { mode, rootMode, signal: work.signal });
  } catch (error) {
    work.signal.throwIfAborted();
    // What was right when it came is wrong now: the copy here is damaged, and the next try fetches it anew.
    if (error instanceof DigestError || error instanceof LayerError)
      await Promise.all(layers.map((l) => store.discard(l)));
    throw refusal(ref, error);
  }
  return { digest: await hashFile(rootfs, work.signal), sizeBytes: (await stat(rootfs)).size };
}

async function plannedTree(
  { ref, layers, folder }: Assembly,
  store: LayerStore,
  signal: AbortSignal,
): Promise<{ plan: Plan; rootMode: number }> {
  const tree = new ImageTree();
  for (const [at, layer] of layers.entries()) {
    tree.beginLayer(at);
    try {
      for await (const entries of store.entries(layer)) for (const entry of entries) tree.apply(entry);
    } catch (error) {
      throw refusal(ref, error, `layer ${at + 1} (sha256:${layer.digest}): `);
    }
    signal.throwIfAborted();
  }
  try {
    if (folder) tree.ensureFolder(Buffer.from(folder).toString("latin1"));
    return { plan: planImage(tree), rootMode: tree.root.entry?.mode ?? 0o755 };
  } catch (error) {
    throw refusal(ref, error);
  }
}

async function* counted(tar: AsyncGenerator<Buffer>, plan: Plan, work: Work): AsyncGenerator<Buffer> {
  let done = 0;
  for await (const chunk of tar) {
    if (done === 0) checkpoint("image.packing");
    done += chunk.length;
    work.report.progress({ done: Math.min(done, plan.bytes), total: plan.bytes, unit: "bytes" });
    yield chunk;
  }
}
