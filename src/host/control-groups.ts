/**
 * Control groups: what a process and its children may take of the host at most. A group is made where this user may make one:
 * beside or below this process's own, by version 2, or by version 1's hierarchies of memory and pids.
 */
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { run } from "./run.ts";

export interface GroupLimits {
  readonly memoryBytes: number;
  /** Processes and threads together. */
  readonly tasks: number;
}

/** Where groups can be made: one folder by version 2, one for each limit by version 1. */
export interface GroupPlace {
  readonly version: 1 | 2;
  readonly memory: string;
  readonly pids: string;
}

const FILES = {
  1: { memory: "memory.limit_in_bytes", pids: "pids.max" },
  2: { memory: "memory.max", pids: "pids.max" },
} as const;

/** Joins the groups and becomes the command: what it starts is in them from its first moment on. */
const JOIN = 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"';

/** A kernel that is just ending a group's last process does not let it be removed, and tells nobody when it would. */
const TRIES = 40;
const TRY_MS = 5;

/**
 * Places to try, the nearest first. Pure.
 * @param own /proc/self/cgroup
 * @param mounts /proc/self/mountinfo
 */
export function groupPlaces(own: string, mounts: string): GroupPlace[] {
  const mounted = mounts.split("\n").flatMap((line) => {
    const [, , , root, at, ...rest] = line.split(" ");
    const [type, , options = ""] = rest.slice(rest.indexOf("-") + 1);
    return root && at && type?.startsWith("cgroup") ? [{ root, at, type, names: options.split(",") }] : [];
  });
  const membership = own.split("\n").map((line) => /^\d+:([^:]*):(.*)$/.exec(line));
  const folder = (controller: string): string | null => {
    const wanted = controller === "" ? "cgroup2" : "cgroup";
    const path = membership.find((match) => match?.[1]?.split(",").includes(controller))?.[2];
    const mount = mounted.find(
      ({ type, names }) => type === wanted && (controller === "" || names.includes(controller)),
    );
    if (path === undefined || !mount) return null;
    const within = path === mount.root || path.startsWith(join(mount.root, "/"));
    return join(mount.at, within ? path.slice(mount.root.length) : "");
  };
  const [unified, memory, pids] = ["", "memory", "pids"].map(folder);
  const mount = mounted.find(({ type }) => type === "cgroup2")?.at;
  const places: GroupPlace[] = [];
  for (let at = unified ?? ""; mount !== undefined && at.startsWith(mount); at = dirname(at))
    places.push({ version: 2, memory: at, pids: at });
  if (memory && pids) places.push({ version: 1, memory, pids });
  return places;
}

let found: Promise<GroupPlace | null> | undefined;

/** The first place where a group could be made and joined (tried once per process); null when there is none. */
export function usableGroups(): Promise<GroupPlace | null> {
  found ??= (async () => {
    const [own = "", mounts = ""] = await Promise.all(
      ["cgroup", "mountinfo"].map((name) => readFile(`/proc/self/${name}`, "latin1").catch(() => "")),
    );
    for (const place of groupPlaces(own, mounts)) if (await works(place)) return place;
    return null;
  })();
  return found;
}

async function works(place: GroupPlace): Promise<boolean> {
  const name = `banger-trial-${process.pid}`;
  try {
    await makeGroup(place, name, { memoryBytes: 64 * 1024 * 1024, tasks: 16 });
    const [program = "", ...args] = inGroup(place, name, ["/bin/sh", "-c", ":"]);
    await run(program, args);
    return true;
  } catch {
    return false;
  } finally {
    await removeGroup(place, name);
  }
}

/** Makes a group, or gives one that is there other limits. */
export async function makeGroup(place: GroupPlace, name: string, limits: GroupLimits): Promise<void> {
  const { memory, pids } = FILES[place.version];
  if (place.version === 2) {
    const enabled = await readFile(join(place.memory, "cgroup.subtree_control"), "latin1");
    const on = enabled.split(/\s+/);
    if (!on.includes("memory") || !on.includes("pids"))
      await writeFile(join(place.memory, "cgroup.subtree_control"), "+memory +pids");
  }
  for (const folder of folders(place, name)) await mkdir(folder, { recursive: true });
  await writeFile(join(place.memory, name, memory), String(limits.memoryBytes));
  await writeFile(join(place.pids, name, pids), String(limits.tasks));
}

/** The command line that runs `command` in a group. Pure. */
export function inGroup(place: GroupPlace, name: string, command: readonly string[]): string[] {
  return ["/bin/sh", "-c", JOIN, "sh", ...folders(place, name), "--", ...command];
}

/** Removes a group whose processes have ended; nothing happens when there is none. */
export async function removeGroup(place: GroupPlace, name: string): Promise<void> {
  for (const folder of folders(place, name)) {
    for (let left = TRIES; left > 0; left--) {
      const error = await rmdir(folder).then(
        () => null,
        (failure: NodeJS.ErrnoException) => failure,
      );
      if (error?.code !== "EBUSY") break;
      await delay(TRY_MS);
    }
  }
}

/** Removes the groups of these names' beginning in which nothing runs. */
export async function removeEmptyGroups(place: GroupPlace, prefix: string): Promise<void> {
  for (const parent of new Set([place.memory, place.pids])) {
    const names = (await readdir(parent)).filter((name) => name.startsWith(prefix));
    await Promise.all(names.map((name) => rmdir(join(parent, name)).catch(() => {}))); // EBUSY: it is in use
  }
}

const folders = ({ memory, pids }: GroupPlace, name: string): string[] => [
  ...new Set([join(memory, name), join(pids, name)]),
];
