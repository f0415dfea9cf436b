/**
 * Confines a monitor with bubblewrap: its own user, pid, ipc, uts, cgroup and network namespaces (no network at all), no capabilities,
 * a read-only system of programs and libraries only, and of the host's files just this VM's folder (writable) and the shared files it boots from.
 */

import { run } from "../../host/run.ts";
import { findTool } from "../../host/tools.ts";
import type { Confinement, Jail } from "./jail.ts";

const SYSTEM = ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/alternatives"];

/** The command line that runs `command` confined. Pure. No --die-with-parent: a VM outlives the daemon. */
export function bubblewrapArguments(confinement: Confinement, command: readonly string[]): string[] {
  return [
    ...["--unshare-all", "--new-session", "--as-pid-1", "--cap-drop", "ALL"],
    ...["--uid", "65534", "--gid", "65534"],
    ...SYSTEM.flatMap((path) => ["--ro-bind-try", path, path]),
    ...["--proc", "/proc", "--dev", "/dev"],
    ...confinement.devices.flatMap((path) => ["--dev-bind-try", path, path]),
    ...confinement.readOnly.flatMap((path) => ["--ro-bind", path, path]),
    ...["--bind", confinement.writable, confinement.writable, "--chdir", confinement.writable],
    // What holds the others together is memory of the host's: nothing can be written to it.
    ...["--remount-ro", "/dev", "--remount-ro", "/"],
    "--",
    ...command,
  ];
}

/** Where bubblewrap cannot be used a monitor runs as it is, which `banger doctor` tells. */
export const bubblewrap: Jail = {
  inside: (folder) => folder,
  enter: async (confinement, program, args) => {
    const bwrap = await usableBubblewrap();
    const shown = { ...confinement, readOnly: [...confinement.readOnly, program] };
    return bwrap ? [bwrap, ...bubblewrapArguments(shown, [program, ...args])] : [program, ...args];
  },
};

let trial: Promise<string | null> | undefined;

/** Path of a bubblewrap that works on this host (tried once per process), or null: some hosts forbid user namespaces. */
export function usableBubblewrap(): Promise<string | null> {
  trial ??= (async () => {
    const program = await findTool("bwrap");
    if (!program) {
      trial = undefined; // it may be installed meanwhile
      return null;
    }
    const args = bubblewrapArguments({ writable: "/tmp", readOnly: [], devices: [] }, [
      "/usr/bin/env",
      "true",
    ]);
    return run(program, args).then(
      () => program,
      () => null,
    );
  })();
  return trial;
}
