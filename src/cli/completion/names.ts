/** Names that only the daemon knows. It is asked when it runs; completion never starts it. */
import type { Banger, VmState } from "../../sdk/index.ts";
import type { Candidate } from "./candidates.ts";

export type NameKind =
  | "VMs"
  | "running VMs"
  | "paused VMs"
  | "stopped VMs"
  | "images"
  | "kernels"
  | "snapshots";
export type Names = (kind: NameKind) => Promise<readonly Candidate[]>;

/** Somebody waits with a finger on the Tab key. */
const PATIENCE_MS = 2000;

/** Asks over a connection that `connect` makes; nothing when there is none, or no answer in time. */
export function askDaemon(connect: () => Promise<Banger>): Names {
  return async (kind) => {
    const late = new Promise<Candidate[]>((resolve) => setTimeout(resolve, PATIENCE_MS, []).unref());
    const asked = connect()
      .then((banger) => ask(banger, kind))
      .catch(() => []);
    return Promise.race([asked, late]);
  };
}

const STATES: Readonly<Partial<Record<NameKind, readonly VmState[]>>> = {
  "running VMs": ["running"],
  "paused VMs": ["paused"],
  "stopped VMs": ["stopped", "error"],
};

async function ask(banger: Banger, kind: NameKind): Promise<Candidate[]> {
  if (kind === "images" || kind === "kernels") {
    const entries = await banger[kind].list({ available: true });
    const here = (digest: string | null) => (digest === null ? "can be obtained" : "here");
    return [
      ...new Map(entries.map(({ name, digest }) => [name, { value: name, about: here(digest) }])).values(),
    ];
  }
  if (kind === "snapshots")
    return (await banger.snapshots.list()).map(({ name, kind, vm }) => ({
      value: name,
      about: `${kind} of ${vm.name}`,
    }));
  const vms = (await banger.list()).map((sandbox) => sandbox.info);
  const states = STATES[kind];
  const fitting = vms.filter(({ state }) => states?.includes(state) ?? true);
  return fitting.map(({ name, state, image }) => ({ value: name, about: `${state}, ${image.name}` }));
}
