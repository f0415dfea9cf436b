/** What a monitor may take of the host at most, whatever has become of it. Each VM's has a control group of its own. */
import { hash } from "node:crypto";
import { basename, dirname } from "node:path";
import { MIB } from "../../core/units.ts";
import {
  type GroupLimits,
  inGroup,
  makeGroup,
  removeEmptyGroups,
  removeGroup,
  usableGroups,
} from "../../host/control-groups.ts";
import type { LaunchSpec } from "../driver.ts";

/** What a monitor needs beside its guest's memory. Emulation keeps what it translated: QEMU's buffer for it has at most 1 GiB. */
const OVERHEAD_MIB = { kvm: 512, tcg: 1536 } as const;
/** Beside the vcpus: QEMU's threads for input and output are at most 64. */
const TASKS = 128;

/** Pure. */
export function monitorLimits({
  memoryMib,
  vcpu,
  accelerator,
}: Pick<LaunchSpec, "memoryMib" | "vcpu" | "accelerator">): GroupLimits {
  return { memoryBytes: (memoryMib + OVERHEAD_MIB[accelerator]) * MIB, tasks: vcpu + TASKS };
}

/** The command line that runs `command` within the limits; as it is where this user may make no control groups. */
export async function limited(
  folder: string,
  limits: GroupLimits,
  command: readonly string[],
): Promise<readonly string[]> {
  const place = await usableGroups();
  if (!place) return command;
  await makeGroup(place, groupName(folder), limits);
  return inGroup(place, groupName(folder), command);
}

/** Removes the control group of the monitor that worked in `folder`, once it is gone. */
export async function endLimits(folder: string): Promise<void> {
  const place = await usableGroups();
  if (place) await removeGroup(place, groupName(folder));
}

/**
 * Removes what monitors that worked below `parent` left when they ended and nobody could wait for it: a daemon that was killed, a
 * kernel that was long in ending them. To be called while none is being started there.
 */
export async function endStrayLimits(parent: string): Promise<void> {
  const place = await usableGroups();
  if (place) await removeEmptyGroups(place, prefix(parent));
}

/** By the VM's id, and by where its folder is: other users and homes have folders, too. */
export function groupName(folder: string): string {
  return `${prefix(dirname(folder))}${basename(folder)}`;
}

const prefix = (parent: string): string => `banger-${hash("sha256", parent).slice(0, 12)}-`;
