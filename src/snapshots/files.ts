/** The files of a snapshot: described when it is made, looked at again before it is used. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { allocatedBytes } from "../host/disk-usage.ts";
import { syncTree } from "../host/files.ts";
import { contentDigest } from "./content-digest.ts";
import { DISK, type Manifest, MEMORY, type SnapshotFile } from "./manifest.ts";

/** What lies in a snapshot's folder, its disk first. */
export async function describeFiles(folder: string, work: Work): Promise<SnapshotFile[]> {
  await syncTree(folder); // what is not on the disk yet cannot be told from a hole
  const memory = await readdir(join(folder, MEMORY)).catch(() => [] as string[]);
  const names = [DISK, ...memory.sort().map((name) => `${MEMORY}/${name}`)];
  const files: SnapshotFile[] = [];
  await reading(folder, names, work, async (name, path, onBytes) => {
    files.push({
      name,
      size: (await stat(path)).size,
      digest: await contentDigest(path, work.signal, onBytes),
    });
  });
  return files;
}

/** Looks at every byte. @throws snapshot_damaged */
export async function verifyFiles(
  { name: snapshot, files }: Pick<Manifest, "name" | "files">,
  folder: string,
  work: Work,
): Promise<void> {
  const names = files.map((file) => file.name);
  await reading(folder, names, work, async (name, path, onBytes) => {
    const digest = await contentDigest(path, work.signal, onBytes).catch((error: Error) => {
      work.signal.throwIfAborted();
      throw BangerError.of("snapshot_damaged", { name: snapshot, file: name, problem: error.message });
    });
    if (files.some((file) => file.name === name && file.digest === digest)) return;
    const problem = "it is not what it was when the snapshot was made";
    throw BangerError.of("snapshot_damaged", { name: snapshot, file: name, problem });
  });
}

async function reading(
  folder: string,
  names: readonly string[],
  { report }: Work,
  read: (name: string, path: string, onBytes: (bytes: number) => void) => Promise<void>,
): Promise<void> {
  report.stage("checksums");
  const total = await allocatedBytes(folder);
  let done = 0;
  for (const name of names) {
    await read(name, join(folder, name), (bytes) => {
      done += bytes;
      report.progress({ done: Math.min(done, total), total, unit: "bytes" });
    });
  }
}
