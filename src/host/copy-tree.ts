/** Copies of whole folders. */
import { run } from "./run.ts";

/** As `cp -a`: links as links, modes and times kept, blocks shared where the filesystem can. `to` must not exist. */
export async function copyTree(from: string, to: string): Promise<void> {
  await run("cp", ["-a", "--reflink=auto", "--no-target-directory", "--", from, to]);
}
