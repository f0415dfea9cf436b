/** Files of this host that are images as they are: used where they lie, watched for changes, copied into the store on request. */
import { open, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { requireSpace } from "../disk/free-space.ts";
import type { ContentStore } from "../host/content-store.ts";
import { publishFile } from "../host/files.ts";
import { hashFile } from "../host/hash.ts";
import { run } from "../host/run.ts";
import { contentDigest } from "./bundle.ts";
import { type HostFile, Manifest, NO_SETTINGS } from "./manifest.ts";
import { ROOTFS } from "./squashfs.ts";

/** Of a squashfs's superblock (the kernel's Documentation/filesystems/squashfs.rst): magic at 0, major version at 28. */
const SUPERBLOCK = 96;

/**
 * The manifest of a squashfs of this host, kept in `store`. Of the same content it is the same one, which then names this file.
 * @param path absolute; symlinks are followed now, not later
 * @throws image_refused
 */
export async function registerFile(
  store: ContentStore<Manifest>,
  path: string,
  name: string,
  work: Work,
): Promise<Manifest> {
  const file = await readHostFile(path, work);
  const digest = contentDigest(file.sha256, { env: {}, run: NO_SETTINGS });
  const registered = Manifest.parse({
    layout: 1,
    name,
    digest,
    description: `in place: ${file.path}`.slice(0, 200),
    source: "registered",
    init: null,
    env: {},
    file,
    sizeBytes: file.sizeBytes,
    createdAt: new Date().toISOString(),
  });
  const kept = await store.add(async () => ({ digest, manifest: registered }));
  if (!kept.file) return kept; // of the same content, and in the store
  const { description } = registered;
  const current = { ...kept, file, description };
  await store.describe(digest, current);
  return current;
}

/**
 * Copies the file of a registered image into the store, under the same digest. A copy that is not what was read once is not kept.
 * @throws image_changed | no_space
 */
export async function promoteFile(
  store: ContentStore<Manifest>,
  manifest: Manifest,
  work: Work,
): Promise<Manifest> {
  const { file, name, digest } = manifest;
  if (!file) return manifest;
  await requireSame(name, file);
  const folder = store.path(digest);
  await requireSpace(folder, file.sizeBytes, `image ${name}`);
  work.report.stage("copying the image", name);
  await publishFile(join(folder, ROOTFS), async (temporary) => {
    await run("cp", ["--reflink=auto", "--", file.path, temporary], { signal: work.signal });
    if ((await hashFile(temporary, work.signal)) !== file.sha256) throw changed(name, file, "has changed");
  });
  const description = `copied from ${file.path}`.slice(0, 200);
  const own: Manifest = { ...manifest, file: null, source: "import", description };
  await store.describe(digest, own);
  return own;
}

/** Passes for a file that is as it was when it was read. @throws image_changed */
export async function requireSame(name: string, file: HostFile): Promise<void> {
  const problem = await changeOf(file);
  if (problem) throw changed(name, file, problem);
}

const changed = (name: string, { path }: HostFile, problem: string) =>
  BangerError.of("image_changed", { name, path, problem });

/** What a file is now. @throws image_refused */
async function readHostFile(path: string, work: Work): Promise<HostFile> {
  const refused = (problem: string, cause?: unknown) =>
    BangerError.of("image_refused", { ref: path, problem }, { cause });
  try {
    const file = { path: await realpath(path), ...(await look(path)) };
    if (!(await isSquashfs(file.path)))
      throw refused("it is no squashfs; banger image import makes an image of a tar or an OCI layout");
    work.report.stage("reading the image", path);
    const sha256 = await hashFile(file.path, work.signal);
    const described = { ...file, sha256 };
    if (await changeOf(described)) throw refused("it changed while it was read");
    return described;
  } catch (error) {
    work.signal.throwIfAborted();
    if (error instanceof BangerError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw refused(code === "ENOENT" ? "there is no such file" : message, error);
  }
}

async function look(path: string): Promise<Pick<HostFile, "inode" | "mtimeNs" | "sizeBytes">> {
  const info = await stat(path, { bigint: true });
  if (!info.isFile()) throw new Error("it is no file");
  return { inode: `${info.ino}`, mtimeNs: `${info.mtimeNs}`, sizeBytes: Number(info.size) };
}

async function isSquashfs(path: string): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SUPERBLOCK), 0, SUPERBLOCK, 0);
    return (
      bytesRead === SUPERBLOCK && buffer.toString("latin1", 0, 4) === "hsqs" && buffer.readUInt16LE(28) === 4
    );
  } finally {
    await file.close();
  }
}

/** What is the matter with a file since it was read; null when it is as it was. */
async function changeOf(file: HostFile): Promise<string | null> {
  const now = await look(file.path).catch(() => null);
  if (!now) return "is gone";
  const same = now.inode === file.inode && now.mtimeNs === file.mtimeNs && now.sizeBytes === file.sizeBytes;
  return same ? null : "has changed";
}
