/** Whether an ordinary user of this host can act as root inside a user namespace with several ids. */
import { readFile } from "node:fs/promises";
import { account } from "./account.ts";
import { ProcessError, run } from "./run.ts";
import { findTool } from "./tools.ts";

export type NamespaceStatus =
  | { readonly usable: true }
  | { readonly usable: false; readonly reason: string; readonly fix: string };

/** Tries it: reads /etc/subuid and /etc/subgid, looks for newuidmap, and makes one namespace. */
export async function userNamespaces(): Promise<NamespaceStatus> {
  const uid = process.getuid?.() ?? 0;
  const username = account()?.name ?? String(uid);
  if ((await findTool("newuidmap")) === null) {
    return { usable: false, reason: "newuidmap is missing", fix: "banger doctor --fix" };
  }
  for (const file of ["/etc/subuid", "/etc/subgid"]) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (!hasSubordinateIds(text, username, uid)) {
      return {
        usable: false,
        reason: `${file} gives ${username} no range of 65536 ids`,
        fix: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${username}`,
      };
    }
  }
  return run("unshare", ["--user", "--map-root-user", "true"]).then(
    () => ({ usable: true }),
    (error: unknown) => ({
      usable: false,
      reason: error instanceof ProcessError ? error.lastLine : String(error),
      fix: "allow user namespaces: sudo sysctl kernel.unprivileged_userns_clone=1 (Debian) or kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)",
    }),
  );
}

/**
 * What is put before a command of root's so that what it mounts is nobody else's, and goes with it however it ends. Nothing where root
 * may not mount either.
 */
export async function ownMounts(): Promise<string[]> {
  const command = ["unshare", "--mount", "--propagation", "private"];
  return run("unshare", [...command.slice(1), "true"]).then(
    () => command,
    () => [],
  );
}

/** True when a subuid or subgid file gives this user at least 65536 ids in one range. */
export function hasSubordinateIds(text: string, username: string, uid: number): boolean {
  return text.split("\n").some((line) => {
    const [who, , count] = line.split(":");
    return (who === username || who === String(uid)) && Number(count) >= 65536;
  });
}
