/**
 * A VM's way out: passt, which turns the guest's packets into sockets of this host, and between it and the monitor the network
 * guard (guest/netguard.h), which starts it and lets through only what may leave. They outlive the daemon; when one ends the
 * other does, and so they do when the monitor ends.
 */
import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { RateLimit } from "../core/rate-limit.ts";
import { exists, writeFileAtomic } from "../host/files.ts";
import { isAlive, killProcess, type ProcessIdentity, startTime } from "../host/processes.ts";
import { startDetached } from "../host/run.ts";
import { findTool, requireTools } from "../host/tools.ts";
import { connectUnix } from "../host/unix-socket.ts";
import { GUEST, hostResolvers } from "./addresses.ts";

/** Where the monitor listens for whoever carries the guest's frames; in the VM's folder. */
const NET_SOCKET = "net.sock";
const CONTROL = "nat.sock";
const RECORD = "nat.json";
const LOG = "nat.log";

/** The guest has one interface with addresses that are told to it by its agent: nothing here answers DHCP. */
const PASST = [
  ...["--foreground", "--quiet", "--fd", "3", "--ipv4-only", "--no-map-gw", "--no-dhcp"],
  ...["--address", GUEST.address, "--netmask", String(GUEST.bits), "--gateway", GUEST.gateway],
];

/**
 * Only where it is needed: a passt that forwards gives all answers of the host's first resolver its own address (udp.c), so a guest
 * that had asked that resolver itself would never take them for answers.
 */
async function forwarding(): Promise<string[]> {
  return (await hostResolvers()).includes(GUEST.resolver) ? ["--dns-forward", GUEST.resolver] : [];
}

/** A running NAT. */
export interface Nat {
  /** Resolves when it is over, however that came. */
  readonly ended: Promise<void>;
}

/**
 * Starts NAT for the monitor that works in `folder`.
 * @param guard the program that has the network guard
 * @param rate how fast each direction may be
 * @throws host_packages_missing, or an error that tells what passt said; nothing is left running then
 */
export async function startNat(folder: string, guard: string, rate: RateLimit | null): Promise<Nat> {
  await requireTools("nat");
  const passt = (await findTool("passt")) ?? "passt";
  await endNat(folder);
  if (!(await exists(join(folder, NET_SOCKET))))
    throw new Error("its monitor was started without a network interface; banger vm restart gives it one");
  const log = await open(join(folder, LOG), "w", 0o600);
  try {
    const child = await startDetached(
      guard,
      ["--netguard", NET_SOCKET, CONTROL, ...bucket(rate), passt, ...PASST, ...(await forwarding())],
      {
        cwd: folder,
        stdio: ["ignore", "pipe", log.fd],
      },
    );
    const identity: ProcessIdentity = { pid: child.pid, pidStart: startTime(child.pid) ?? "" };
    await writeFileAtomic(join(folder, RECORD), JSON.stringify(identity));
    let ready = false;
    for await (const _ of child.stdout ?? []) {
      ready = true;
      break; // it says no more
    }
    if (!ready) throw new Error("it ended at once");
    return await watch(folder);
  } catch (error) {
    await endNat(folder);
    const said = (await readFile(join(folder, LOG), "utf8").catch(() => "")).trim().split("\n");
    throw new Error(said.filter((text) => !text.includes("syslog")).join("; ") || (error as Error).message);
  } finally {
    await log.close();
  }
}

/** Bytes each second, and how many may go at once after a rest; zero: no limit. */
function bucket(rate: RateLimit | null): string[] {
  const { bytesPerSecond, burstBytes } = rate ?? { bytesPerSecond: 0, burstBytes: 0 };
  return [bytesPerSecond, burstBytes ?? Math.ceil(bytesPerSecond / 10)].map(String);
}

/** The NAT that a former daemon started for the monitor in `folder`; null when there is none any more. */
export async function adoptNat(folder: string): Promise<Nat | null> {
  const guard = await guardOf(folder);
  return guard && isAlive(guard) ? watch(folder).catch(() => null) : null;
}

/** Ends NAT of the monitor in `folder`; nothing happens when there is none. */
export async function endNat(folder: string): Promise<void> {
  const guard = await guardOf(folder);
  if (guard) killProcess(guard); // and passt, its child
  for (const name of [RECORD, CONTROL]) await rm(join(folder, name), { force: true });
}

async function guardOf(folder: string): Promise<ProcessIdentity | null> {
  const text = await readFile(join(folder, RECORD), "utf8").catch(() => "null");
  return JSON.parse(text) as ProcessIdentity | null;
}

async function watch(folder: string): Promise<Nat> {
  const control = await connectUnix(join(folder, CONTROL));
  return { ended: new Promise((resolve) => control.resume().once("close", () => resolve())) };
}
