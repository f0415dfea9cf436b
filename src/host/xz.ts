/** Decompresses xz with the host's own program: Node has no decoder of it. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./run.ts";

/** @throws ProcessError when the data is broken, or larger than `limit` */
export async function decompressXz(data: Uint8Array, limit: number): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), "banger-xz-"));
  try {
    const file = join(folder, "data");
    await writeFile(`${file}.xz`, data, { mode: 0o600 });
    const xz = ["xz", "--decompress", "--memlimit-decompress=512MiB", `${file}.xz`];
    await run("prlimit", [`--fsize=${limit}`, ...xz]);
    return await readFile(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
