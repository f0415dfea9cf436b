/** How much history goes along, and the pack that carries it. */
import { mkdtemp, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ObjectReader } from "./object-reader.ts";
import type { Shadow } from "./shadow.ts";

export interface History {
  /** Commits whose parents stay behind. */
  readonly shallow: readonly string[];
  readonly commits: number;
}

/** The history within `depth` commits of `tip`, as `git clone --depth` cuts it; null takes all of it. */
export async function shallowHistory(
  shadow: Shadow,
  tip: string,
  depth: number | null,
  signal?: AbortSignal,
): Promise<History> {
  if (depth === null) return { shallow: shadow.repository.shallow, commits: 0 };
  const cut = new Set(shadow.repository.shallow);
  const seen = new Set<string>();
  const shallow: string[] = [];
  const objects = new ObjectReader(shadow, signal);
  try {
    for (let level = [tip], step = 1; level.length > 0; step++) {
      const next = new Set<string>();
      for (const id of level) {
        seen.add(id);
        const parents = parentsIn(await objects.commit(id));
        if (parents.length === 0) continue;
        if (cut.has(id) || step === depth) shallow.push(id);
        else for (const parent of parents) if (!seen.has(parent)) next.add(parent);
      }
      level = [...next];
    }
  } finally {
    objects.close();
  }
  return { shallow, commits: seen.size };
}

/** What the commit itself says, whatever is cut off. */
function parentsIn(content: string): string[] {
  const headers = content.slice(0, content.indexOf("\n\n"));
  return [...headers.matchAll(/^parent ([0-9a-f]+)$/gm)].map(([, parent]) => parent ?? "");
}

export interface PackRequest {
  /** Commits, and blobs that no commit has. */
  readonly wanted: readonly string[];
  /** What the receiver has already, with everything it reaches. */
  readonly had: readonly string[];
  readonly shallow: readonly string[];
}

export interface Pack {
  /** `pack-<hash>` */
  readonly name: string;
  readonly folder: string;
}

/**
 * Writes a pack and its index into `folder`. Deltas that exist are used again; new ones are not looked for, because the way
 * to the guest is short and the host's time is what counts.
 * @returns null when there is nothing to pack
 */
export async function writePack(
  shadow: Shadow,
  request: PackRequest,
  folder: string,
  signal?: AbortSignal,
): Promise<Pack | null> {
  const made = await mkdtemp(join(folder, "packed-"));
  const cut = join(made, "shallow");
  await writeFile(cut, request.shallow.map((id) => `${id}\n`).join(""));
  const input = [...request.wanted, ...(request.had.length > 0 ? ["--not", ...request.had] : [])];
  await shadow.git(
    [
      ...["--shallow-file", cut],
      ...["pack-objects", "--revs", "--quiet", "--non-empty", "--delta-base-offset", "--window=0"],
      ...(shadow.repository.isPartial ? ["--missing=allow-any"] : []),
      join(made, "pack"),
    ],
    { input: `${input.join("\n")}\n`, signal, settings: ["pack.compression=1", "core.fsync=none"] },
  );
  const file = (await readdir(made)).find((name) => name.endsWith(".idx"));
  return file ? { name: file.slice(0, -".idx".length), folder: made } : null;
}
