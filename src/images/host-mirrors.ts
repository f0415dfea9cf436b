/** The Debian mirrors of this host, from /etc/apt. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { exists } from "../host/files.ts";
import {
  type AptSource,
  type DebianMirrors,
  debianMirrors,
  parseDeb822,
  parseOneLine,
} from "./apt-sources.ts";

/** Debian's own, where its keyring package puts them. */
const KEYRINGS = [
  "/usr/share/keyrings/debian-archive-keyring.gpg",
  "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/** The user's Debian mirrors with a keyring that exists, or null when the user's sources name none. */
export async function hostMirrors(apt = "/etc/apt"): Promise<DebianMirrors | null> {
  const found = debianMirrors(await readSources(apt));
  if (!found) return null;
  const [archive, security] = await Promise.all([
    resolveMirrorFile(found.archive),
    resolveMirrorFile(found.security),
  ]);
  if (!archive) return null;
  return { archive, security, keyring: await firstExisting([found.keyring, ...KEYRINGS]) };
}

async function readSources(apt: string): Promise<AptSource[]> {
  const folder = join(apt, "sources.list.d");
  const names = (await readdir(folder).catch(() => [] as string[])).sort();
  const files = [join(apt, "sources.list"), ...names.map((name) => join(folder, name))];
  const read = files.map(async (file) => {
    const parse = file.endsWith(".sources") ? parseDeb822 : file.endsWith(".list") ? parseOneLine : null;
    return parse ? parse(await readFile(file, "utf8").catch(() => "")) : [];
  });
  return (await Promise.all(read)).flat();
}

/** `mirror+file:/path` (as on cloud images) names a file with one mirror per line; the guest has no such file. */
async function resolveMirrorFile(uri: string | null): Promise<string | null> {
  const path = /^mirror\+file:(?:\/\/)?(\/.*)$/.exec(uri ?? "")?.[1];
  if (path === undefined) return uri;
  const text = await readFile(path, "utf8").catch(() => "");
  return /^\s*(https?:\/\/\S+)/m.exec(text)?.[1] ?? null;
}

async function firstExisting(paths: readonly (string | null)[]): Promise<string | null> {
  for (const path of paths) if (path !== null && (await exists(path))) return path;
  return null;
}
