/**
 * The guest's end of the network: Firecracker knows a tap only, so the agent's binary (guest/tap.h) makes one, in the jail, and
 * carries its frames to and from a socket, where whoever carries QEMU's can do the same (src/network/nat.ts).
 */
import { open } from "node:fs/promises";
import { silent } from "../../core/stage.ts";
import { ensureAgentBinary } from "../../disk/agent-binary.ts";
import { ProcessError, run } from "../../host/run.ts";
import { bubblewrapArguments, usableBubblewrap } from "../jail/bubblewrap.ts";

/** Every VM's has this name: each is in a namespace of its own, so a saved state fits any. */
export const TAP = "tap0";
export const TUN = "/dev/net/tun";

/** Whose a tap is, and who carries its frames; in a jail that root makes, where they are not root's. */
export interface TapUser {
  readonly uid: number;
  readonly gid: number;
}

let usable = false;

/** Why a guest in bubblewrap can have no network on this host; null when it can. Tried until it can. */
export async function tapProblem(): Promise<string | null> {
  if (usable) return null;
  const bwrap = await usableBubblewrap();
  if (!bwrap) return "bubblewrap is missing or not permitted";
  const closed = await jailedTapProblem();
  if (closed !== null) return closed;
  const jail = { writable: "/tmp", readOnly: [], devices: [TUN] };
  const trial = ["/usr/bin/env", "unshare", "--user", "--net", "true"];
  const problem = await run(bwrap, bubblewrapArguments(jail, trial)).then(
    () => null,
    (error: unknown) => (error instanceof ProcessError ? error.lastLine : String(error)),
  );
  usable = problem === null;
  return problem;
}

/** The same of a guest whose jail root makes, with a network namespace in it: there the device alone is in question. */
export async function jailedTapProblem(): Promise<string | null> {
  const device = await open(TUN, "r+").catch((error: NodeJS.ErrnoException) => error);
  if (device instanceof Error) return `${TUN} cannot be opened by this user (${device.code})`;
  await device.close();
  return null;
}

/**
 * The program that gives what it starts a tap.
 * @param cache banger's cache folder; @param socket its name in the VM's folder; @param user in a jail that root makes
 * @returns its path and its arguments, which what it starts follows; null where a guest can have no network
 */
export async function tapCommand(
  cache: string,
  socket: string,
  user: TapUser | null,
  signal: AbortSignal,
): Promise<{ readonly program: string; readonly args: readonly string[] } | null> {
  if ((await (user ? jailedTapProblem() : tapProblem())) !== null) return null;
  const program = await ensureAgentBinary({ cache }, { report: silent, signal });
  const mode = user ? ["--tap-for", String(user.uid), String(user.gid)] : ["--tap"];
  return { program, args: [...mode, TAP, socket] };
}
