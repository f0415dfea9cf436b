/** banger's own known_hosts: ssh adds a line when it first meets a VM, banger takes it away with the VM. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "./files.ts";
import type { Paths } from "./paths.ts";
import { sshFolder } from "./ssh-key.ts";

export const knownHostsFile = (paths: Paths) => join(sshFolder(paths), "known_hosts");

/** Keeps the lines of the hosts that `keep` names, and whatever is no line of a host. */
export async function forgetHosts(paths: Paths, keep: (host: string) => boolean): Promise<void> {
  const before = await read(paths);
  const after = before
    .split("\n")
    .filter((line) => {
      const hosts = hostsOf(line);
      return hosts.length === 0 || hosts.some(keep);
    })
    .join("\n");
  if (after !== before) await writeFileAtomic(knownHostsFile(paths), after);
}

/** The keys that were seen of a host, as `type base64`. */
export async function knownKeys(paths: Paths, host: string): Promise<string[]> {
  return (await read(paths))
    .split("\n")
    .filter((line) => hostsOf(line).includes(host))
    .map((line) => line.trim().split(/\s+/).slice(1, 3).join(" "));
}

function read(paths: Paths): Promise<string> {
  return readFile(knownHostsFile(paths), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
}

/** Names at the head of a line; none for empty lines, comments and marked (@) lines. */
function hostsOf(line: string): string[] {
  const [hosts = ""] = line.trim().split(/\s+/);
  return /^(#|@|$)/.test(hosts) ? [] : hosts.split(",");
}
