/** The ssh key that opens banger's guests: one of its own, made on first need, or the user's (`ssh_key_path`). */

import { readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../core/errors.ts";
import { account } from "./account.ts";
import { exists, privateDirectory, temporaryName } from "./files.ts";
import type { Paths } from "./paths.ts";
import { homeFolder } from "./paths.ts";
import { ProcessError, run } from "./run.ts";
import { findTool } from "./tools.ts";

/** The folder of banger's key, its ssh configuration and its known hosts. */
export const sshFolder = (paths: Paths) => join(paths.state, "ssh");

/** Where the private key is, or will be: `configured` with `~/` expanded, else banger's own. */
export function sshKeyFile(paths: Paths, configured: string | undefined): string {
  if (configured === undefined) return join(sshFolder(paths), "id_ed25519");
  return configured.startsWith("~/") ? join(homeFolder(), configured.slice(2)) : configured;
}

/**
 * The line of the public key. Banger's own pair is made when it is missing; callers in one process take turns.
 * @param configured `ssh_key_path`
 * @returns null when the host has no ssh-keygen, or no name for this user
 * @throws ssh_key_unusable when the configured key cannot be used
 */
export async function sshPublicKey(paths: Paths, configured: string | undefined): Promise<string | null> {
  const keygen = await findTool("ssh-keygen");
  if (!keygen || !account()) return null;
  const file = sshKeyFile(paths, configured);
  if (configured !== undefined) {
    await checkKey(file);
    return publicHalf(keygen, file);
  }
  if (!(await exists(file))) await makePair(keygen, paths, file);
  return readFile(`${file}.pub`, "utf8").then(
    (line) => line.trim(),
    () => publicHalf(keygen, file),
  );
}

async function makePair(keygen: string, paths: Paths, file: string): Promise<void> {
  await privateDirectory(sshFolder(paths));
  const temporary = temporaryName(file);
  await run(keygen, ["-q", "-t", "ed25519", "-N", "", "-C", "banger", "-f", temporary]);
  // The private half last: it is what says that the pair is there.
  await rename(`${temporary}.pub`, `${file}.pub`);
  await rename(temporary, file);
}

/** What ssh itself would refuse later, refused now. @throws ssh_key_unusable */
async function checkKey(file: string): Promise<void> {
  const info = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw unusable(file, error.code === "ENOENT" ? "there is no such file" : error.message);
  });
  if (!info.isFile()) throw unusable(file, "it is not a file");
  const uid = process.getuid?.();
  if (uid !== undefined && info.uid !== uid) throw unusable(file, `it belongs to uid ${info.uid}`);
  if (info.mode & 0o077) {
    const mode = (info.mode & 0o777).toString(8).padStart(4, "0");
    throw unusable(file, `its mode ${mode} lets others read it`, `chmod 600 ${file}`);
  }
}

async function publicHalf(keygen: string, file: string): Promise<string> {
  try {
    // An empty passphrase, so that it never asks: a key that has one fails.
    return (await run(keygen, ["-y", "-P", "", "-f", file])).stdout.trim();
  } catch (error) {
    if (!(error instanceof ProcessError)) throw error;
    const passphrase = /passphrase/i.test(error.stderr);
    throw unusable(file, passphrase ? "it has a passphrase" : error.lastLine);
  }
}

function unusable(file: string, reason: string, fix?: string): BangerError {
  const hint = fix ?? "name a private key without a passphrase, or leave ssh_key_path out of config.toml";
  return BangerError.of("ssh_key_unusable", { file, reason, hint });
}
