/** What Firecracker looks at on the host before it takes it, and how it refuses. */
import { existsSync, readFileSync } from "node:fs";
import type { Configured } from "./guest.ts";

/** A refusal in Firecracker's manner. */
export class Fault extends Error {}

/** What `PUT /snapshot/create` wrote. */
export function savedState(path: string): Configured & { readonly version: string } {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    throw new Fault("Load snapshot error: Failed to restore from snapshot: the state file is damaged");
  }
}

export function mustExist(what: string, path: string): void {
  if (!existsSync(path))
    throw new Fault(`Failed to open the ${what} file: No such file or directory (os error 2): ${path}`);
}

/** Firecracker opens it at once; this double leaves that to its guest. */
export function mustBeTap(name: string): void {
  if (!networkInterfacesOfKernel().includes(name))
    throw new Fault(`Open tap device failed: Couldn't open /dev/net/tun or create tap ${name}`);
}

const networkInterfacesOfKernel = () =>
  readFileSync("/proc/net/dev", "latin1")
    .split("\n")
    .map((line) => line.split(":")[0]?.trim());
