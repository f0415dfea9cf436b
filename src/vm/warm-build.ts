/**
 * Makes a template: boots the image on an empty disk in a VM that nobody else ever sees, lets its system settle, and saves it.
 * Nothing of a user's is in it, and nothing that a user's VM did can get into it.
 */
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { checkpoint } from "../core/checkpoints.ts";
import type { Work } from "../core/stage.ts";
import { MIB } from "../core/units.ts";
import { digHoles } from "../disk/dig-holes.ts";
import { requireSpace } from "../disk/free-space.ts";
import { copySparsely } from "../disk/state-disk.ts";
import { failureStatus, type GuestSession, listFiles, openGuest, sync, waitSystem } from "../guest/index.ts";
import type { Driver, LaunchSpec, Machine } from "../vmm/driver.ts";
import { endStrayMonitor } from "../vmm/monitor-process.ts";
import { configureGuest, type HostIdentity } from "./configure.ts";
import type { VmContext } from "./context.ts";
import { rehearse } from "./rehearse.ts";
import type { Kind } from "./standby.ts";
import { stateDiskFile } from "./state-disk-file.ts";
import { type Description, templateIn, WarmTemplates } from "./warm-templates.ts";

/** What a template is to be made of. */
export interface WarmRequest extends Description {
  readonly key: string;
  readonly kind: Kind;
  readonly driver: Driver;
  /** Of the VM that wanted it; folder and disk are replaced. */
  readonly spec: LaunchSpec;
  /** banger's key for guests, the same in all. */
  readonly publicKey: string | null;
}

/** At idle priority a boot beside a busy host takes long; one that takes longer hangs. A system that has not settled is taken as it is. */
const LIMIT_MS = 240_000;
const SETTLE_MS = 120_000;

/** What the system does after the last thing that happened, like journald 0.25 s later: every copy would have to go on with it. */
const QUIET_MS = 1000;

/** What is left free beside a template: its disk, and whoever writes meanwhile. */
const RESERVE = 64 * MIB;

/** Who has no owner yet; whoever starts from it is named and given keys then. Hardly a name is shorter: to cut a file costs more than to add. */
const NOBODY = { name: "vm", nat: false, borrowed: false } as const;
const NOTHING = { env: {}, resolvers: [] } as const;
/** The folder of the VM that becomes a template. */
const machineIn = (folder: string): string => join(folder, "vm");

/** Fills an empty folder with a template's parts. No monitor is left, however it ends. @throws whatever went wrong */
export async function buildTemplate(
  context: Pick<VmContext, "bootFiles">,
  { kind, driver, spec: wanted, publicKey }: WarmRequest,
  folder: string,
  { report, signal }: Work,
): Promise<void> {
  const work = { report, signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]) };
  const directory = machineIn(folder);
  await mkdir(directory, { mode: 0o700 });
  const disk = stateDiskFile(directory);
  await context.bootFiles.makeStateDisk(kind.diskBytes, disk, work);
  const disks = { ...wanted.disks, state: disk };
  // Limits are the VM's own, each driver sets them when it restores.
  const spec: LaunchSpec = {
    ...wanted,
    id: "template",
    directory,
    disks,
    diskRate: null,
    netRate: null,
    template: true,
  };
  const machine = await driver.launch(spec, work.signal);
  const parts = templateIn(folder);
  checkpoint("warm.launched");
  try {
    await settled(machine, publicKey, work.signal);
    await machine.pause();
    await requireSpace(folder, (await machine.stateBytes(spec.memoryMib)) + RESERVE, "a warm template");
    const saved = join(directory, "saved");
    await mkdir(saved, { mode: 0o700 });
    await machine.saveState(saved, work.signal);
    checkpoint("warm.saved");
    await copySparsely(disk, parts.disk, work.signal);
    await rename(saved, parts.state);
  } finally {
    await machine.kill();
  }
  await rm(directory, { recursive: true });
  await digHoles(parts.state, work.signal);
  checkpoint("warm.complete");
}

/**
 * Ends the monitors of templates that were being made when a daemon died: what is in a jailer's jail has no mark that would tell
 * them. To be called before what is unfinished is removed.
 */
export async function endUnfinishedTemplates(cache: string): Promise<void> {
  for (const folder of await new WarmTemplates(cache).unfinished()) await endStrayMonitor(machineIn(folder));
}

/**
 * What every start does is done once: what it needs is in memory then, and its files are there. An image may have no programs.
 * @param name for the guest; whoever watches its name wakes when it is another than before
 * @returns whether the guest was given an identity of its own
 */
export async function rehearseStart(
  session: GuestSession,
  host: HostIdentity,
  name: string,
): Promise<boolean> {
  await rehearse(session);
  await rehearse(session, ["/bin/sh", "-c", ":"]);
  return rehearseIdentity(session, host, name);
}

/**
 * A renewal that would have the guest make further keys is not rehearsed: every copy would go on making the same ones.
 * @returns whether it was
 */
async function rehearseIdentity(session: GuestSession, host: HostIdentity, name: string): Promise<boolean> {
  if (await hasOtherKeys(session)) return false;
  await configureGuest(session, { ...NOBODY, name, borrowed: true }, NOTHING, host);
  return true;
}

async function hasOtherKeys(session: GuestSession): Promise<boolean> {
  try {
    for await (const { name } of listFiles(session, "/etc/ssh"))
      if (/^ssh_host_(?!ed25519_key$).*_key$/.test(name)) return true;
  } catch (error) {
    if (failureStatus(error) !== "not_found") throw error;
  }
  return false;
}

async function settled(machine: Machine, publicKey: string | null, signal: AbortSignal): Promise<void> {
  machine.console.resume();
  machine.console.on("error", () => {}); // the end of the machine shows in the session
  const session = await openGuest(await machine.connectAgent(), { signal });
  const stop = () => session.close();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const host = { publicKey, gitConfig: null };
    await configureGuest(session, NOBODY, NOTHING, host);
    await waitSystem(session, { timeoutMs: SETTLE_MS });
    await rehearseStart(session, host, NOBODY.name);
    await sync(session);
    await setTimeout(QUIET_MS, undefined, { signal });
    await rehearseIdentity(session, host, NOBODY.name); // nothing is new in it, so nobody wakes; its ssh server rests from now on
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
