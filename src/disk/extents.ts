/** The parts of a file that are on the disk, asked of the filesystem: a sparse disk of many gigabytes is not read for its holes. */
import { stat } from "node:fs/promises";
import { run } from "../host/run.ts";

/** A part of a file, in bytes. */
export interface Extent {
  readonly offset: number;
  readonly size: number;
}

/**
 * In order and apart; what lies between reads as zeros. Where the filesystem cannot tell, the whole file.
 * @param path of a file whose content is on disk (synced)
 */
export async function dataExtents(path: string, signal: AbortSignal): Promise<readonly Extent[]> {
  const { size, blocks } = await stat(path);
  if (size === 0 || blocks === 0) return [];
  const whole = [{ offset: 0, size }];
  if (blocks * 512 >= size) return whole;
  const answer = await run("filefrag", ["-v", path], { signal }).catch((error: unknown) => {
    signal.throwIfAborted();
    void error; // not installed, or the filesystem cannot tell
    return null;
  });
  return (answer && parseExtents(answer.stdout, size)) ?? whole;
}

/** Reads what filefrag -v (e2fsprogs) prints. Pure. @returns null when it is not all there */
export function parseExtents(text: string, size: number): Extent[] | null {
  const block = Number(/\(\d+ blocks? of (\d+) bytes\)/.exec(text)?.[1]);
  if (!block || !/: \d+ extents? found\s*$/.test(text)) return null;
  const extents: Extent[] = [];
  for (const [, first, last] of text.matchAll(/^ *\d+: *(\d+)\.\. *(\d+):/gm)) {
    const offset = Number(first) * block;
    const end = Math.min((Number(last) + 1) * block, size);
    const before = extents.at(-1);
    if (before && offset < before.offset + before.size) return null;
    if (before && offset === before.offset + before.size)
      extents[extents.length - 1] = { offset: before.offset, size: end - before.offset };
    else if (end > offset) extents.push({ offset, size: end - offset });
  }
  return extents;
}

/** The same parts rounded outwards to `unit` bytes, and put together where they touch then or lie less than `gap` apart. Pure. */
export function widened(extents: readonly Extent[], unit: number, gap: number, size: number): Extent[] {
  const wide: Extent[] = [];
  for (const extent of extents) {
    const offset = Math.floor(extent.offset / unit) * unit;
    const end = Math.min(Math.ceil((extent.offset + extent.size) / unit) * unit, size);
    const before = wide.at(-1);
    if (before && offset <= before.offset + before.size + gap)
      wide[wide.length - 1] = {
        offset: before.offset,
        size: Math.max(end, before.offset + before.size) - before.offset,
      };
    else wide.push({ offset, size: end - offset });
  }
  return wide;
}
