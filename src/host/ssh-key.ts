/** The ed25519 key that banger makes for itself on first need and puts into its guests. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { exists, publishFile } from "./files.ts";
import type { Paths } from "./paths.ts";
import { run } from "./run.ts";
import { findTool } from "./tools.ts";

const folder = (paths: Paths) => join(paths.state, "ssh");

/** The public key line; makes the key pair when it is missing. Null when the host has no ssh-keygen. */
export async function ensureSshKey(paths: Paths): Promise<string | null> {
  const publicKey = join(folder(paths), "id_ed25519.pub");
  if (!(await exists(publicKey))) {
    const keygen = await findTool("ssh-keygen");
    if (!keygen) return null;
    // The whole folder appears at once: never a private key without its public half.
    await publishFile(folder(paths), async (temporary) => {
      await mkdir(temporary, { mode: 0o700 });
      await run(keygen, [
        "-q",
        "-t",
        "ed25519",
        "-N",
        "",
        "-C",
        "banger",
        "-f",
        join(temporary, "id_ed25519"),
      ]);
    });
  }
  return (await readFile(publicKey, "utf8")).trim();
}
