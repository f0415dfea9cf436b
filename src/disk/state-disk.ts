/**
 * State disks: one sparse ext4 file per VM. A template is made once per size; a VM's disk is a copy of it that shares
 * blocks where the host's filesystem can (reflink) and otherwise copies only the few megabytes that hold anything.
 */
import { open, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BangerError } from "../core/errors.ts";
import { silent } from "../core/stage.ts";
import { MIB } from "../core/units.ts";
import { exists, privateDirectory, publishFile } from "../host/files.ts";
import type { Paths } from "../host/paths.ts";
import { ProcessError, run } from "../host/run.ts";
import { SharedWork } from "../host/shared-work.ts";
import { requireTools } from "../host/tools.ts";
import { requireSpace } from "./free-space.ts";

/** Smaller ones have no room for a journal and a system's first start. */
export const MIN_STATE_DISK = 64 * MIB;
/** What must be free before a disk is made: its metadata and what a first start writes. The rest is allocated as the guest fills it. */
const WORKING_ROOM = 64 * MIB;
const VERSION = "v1";
/** Made by root even when an ordinary user runs this, so that the guest owns them. */
const FOLDERS = ["upper", "work", "docker", "containerd"];
const templates = new SharedWork<string>();

/**
 * The template for a size, made when it is not in the cache yet.
 * @param bytes size of the disk, rounded up to whole MiB
 * @returns `<cache>/templates/state-<bytes>-v1.ext4`
 * @throws host_packages_missing | no_space | invalid_argument (below 64 MiB)
 */
export async function ensureStateTemplate(paths: Paths, bytes: number, signal: AbortSignal): Promise<string> {
  if (!(bytes >= MIN_STATE_DISK)) {
    throw BangerError.of("invalid_argument", {
      what: "disk size",
      problem: `${bytes} bytes is too small`,
      accepted: "at least 64M",
    });
  }
  const size = Math.ceil(bytes / MIB) * MIB;
  const target = join(paths.cache, "templates", `state-${size}-${VERSION}.ext4`);
  if (await exists(target)) return target;
  return templates.run(target, { report: silent, signal }, async (work) => {
    await requireTools("disk");
    await privateDirectory(dirname(target));
    await requireSpace(dirname(target), WORKING_ROOM, "a disk template");
    await publishFile(target, (temporary) => makeTemplate(temporary, size, work.signal));
    return target;
  });
}

/**
 * Makes a VM's state disk from a template, in milliseconds. `target` must not exist; on failure nothing is left.
 * @throws no_space
 */
export async function cloneStateDisk(template: string, target: string, signal?: AbortSignal): Promise<void> {
  if (await exists(target)) throw new Error("the target exists");
  await requireSpace(dirname(target), WORKING_ROOM, "a VM disk");
  await copySparsely(template, target, signal);
}

/**
 * Makes a disk file larger; the filesystem in it is grown by the guest. Never shrinks. One that has the size already stays as it is.
 * @returns the size that it had
 * @throws no_space | invalid_argument when `bytes` is below the present size
 */
export async function growStateDisk(file: string, bytes: number): Promise<{ readonly former: number }> {
  const present = (await stat(file)).size;
  const size = Math.ceil(bytes / MIB) * MIB;
  if (size < present) {
    throw BangerError.of("invalid_argument", {
      what: "disk size",
      problem: "a disk cannot be made smaller",
      accepted: `at least ${Math.ceil(present / MIB)}M`,
    });
  }
  if (size === present) return { former: present };
  await requireSpace(dirname(file), WORKING_ROOM, "the larger disk");
  const disk = await open(file, "r+");
  try {
    await disk.truncate(size);
    await disk.sync();
  } finally {
    await disk.close();
  }
  return { former: present };
}

async function makeTemplate(target: string, size: number, signal: AbortSignal): Promise<void> {
  const rough = `${target}.rough`;
  try {
    const file = await open(rough, "wx", 0o600);
    await file.truncate(size).finally(() => file.close());
    await run("mke2fs", [...mkfsArguments(size), rough], { signal });
    // mke2fs -d would keep the caller's uid on the folders; debugfs makes them root's.
    const made = await run("debugfs", ["-w", "-f", "-", rough], {
      signal,
      input: FOLDERS.map((name) => `mkdir ${name}\n`).join(""),
    });
    // debugfs always ends with 0; beyond its banner it only speaks when something is wrong.
    const complaint = made.stderr.replace(/^debugfs .*$/m, "").trim();
    if (complaint) throw new ProcessError("debugfs", complaint, 0, made.stderr);
    // mke2fs writes zeros (an empty journal, for one): the copy leaves them out.
    await copySparsely(rough, target, signal);
  } finally {
    await rm(rough, { force: true });
  }
}

/** Fixed identity, no reserved blocks, a small journal: less to write at the first mount. */
function mkfsArguments(size: number): string[] {
  const journal = size >= 1024 * MIB ? 32 : 4;
  return [
    "-q",
    "-F",
    ...["-t", "ext4"],
    ...["-L", "banger-state"],
    ...["-U", "6b0e8f5c-3d0c-4a57-9a3e-62616e676572"],
    ...["-m", "0"],
    ...["-J", `size=${journal}`],
    // The file is sparse, so tables that were never written read as zeros: the guest has nothing to initialise.
    ...["-E", "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0"],
  ];
}

/**
 * Copies a file: by sharing its blocks where the host's filesystem can, else what is not zero. On failure nothing is left.
 * @throws no_space
 */
export async function copySparsely(source: string, target: string, signal?: AbortSignal): Promise<void> {
  try {
    // Node can neither reflink-or-sparse-copy nor find holes; cp does both in one call.
    await run("cp", ["--reflink=auto", "--sparse=always", "--no-clobber", "--", source, target], {
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    await rm(target, { force: true });
    if (error instanceof ProcessError && /No space left/.test(error.stderr)) {
      throw BangerError.of("no_space", {
        what: "a disk",
        needed: "more",
        available: "too little",
        path: target,
      });
    }
    throw error;
  }
}
