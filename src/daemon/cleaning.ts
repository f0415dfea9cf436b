/** What takes space, what of it can go, and its removal. Each store tells of its own parts; nothing that a VM uses ever goes. */
import type { Part, Prune, Pruned } from "../api/schemas.ts";
import { BangerError } from "../core/errors.ts";
import { cacheParts, removeCachePart } from "../host/cache-parts.ts";
import type { StoredPart } from "../host/content-store.ts";
import { allocatedBytes } from "../host/disk-usage.ts";
import { vmDirectory } from "../host/paths.ts";
import type { VmContext } from "../vm/context.ts";
import type { Stores } from "./store-handlers.ts";
import { type Supply, usersOf } from "./users.ts";

type Context = VmContext & Stores;

/** Everything that takes space. */
export async function allParts(context: Context): Promise<Part[]> {
  const groups = [
    vmParts(context),
    storeParts(context, "image"),
    storeParts(context, "kernel"),
    cached(context),
    snapshotParts(context),
  ];
  return (await Promise.all(groups)).flat();
}

/** Removes what nothing uses, once nothing is being made or started. */
export function prune(context: Context, request: Prune, signal: AbortSignal): Promise<Pruned> {
  const { kind, all = false, dry_run = false } = request;
  const candidates = async () => {
    if (kind === "cache") return cached(context);
    const parts = await storeParts(context, kind);
    return parts.filter((part) => part.used_by.length === 0 && (all || !part.current));
  };
  return dry_run
    ? candidates().then((parts) => outcome(parts, true))
    : context.supplies.clean(signal, async () => {
        await context.warm.stop(); // it writes in the cache, of what may go
        return remove(context, await candidates());
      });
}

/**
 * Removes one kernel. Of several names that stand for it, the one that is given goes, and the kernel stays.
 * @param ref its name (the current one), its digest or a beginning of it
 * @throws kernel_not_found | kernel_in_use
 */
export function removeKernel(context: Context, ref: string, signal: AbortSignal): Promise<Pruned> {
  return context.supplies.clean(signal, async () => {
    const kernel = await context.kernels.find(ref);
    const part = (await storeParts(context, "kernel")).find((one) => one.id === kernel.digest);
    if (!part) throw BangerError.of("kernel_not_found", { ref });
    if (ref === kernel.name && (await context.kernels.forget(kernel))) {
      const detail = `a name of ${part.name.replace(`${ref}, `, "").replace(`, ${ref}`, "")}`;
      return outcome([{ ...part, name: ref, detail, size_bytes: 0 }], false);
    }
    if (part.used_by.length > 0)
      throw BangerError.of("kernel_in_use", { name: part.name, users: part.used_by.slice(0, 10).join(", ") });
    return remove(context, [part]);
  });
}

async function remove(context: Context, parts: readonly Part[]): Promise<Pruned> {
  for (const part of parts) {
    if (part.kind === "cache") await removeCachePart(context.paths, part.id);
    else {
      await storeOf(context, part.kind as Supply).discard(part.id);
      await context.warm.forget(part.id);
    }
    context.log.info({ kind: part.kind, id: part.id, bytes: part.size_bytes }, "removed");
  }
  return outcome(parts, false);
}

const outcome = (removed: readonly Part[], dry_run: boolean): Pruned => ({
  removed: [...removed],
  freed_bytes: removed.reduce((sum, part) => sum + part.size_bytes, 0),
  dry_run,
});

function vmParts(context: Context): Promise<Part[]> {
  return Promise.all(
    context.vms.list().map(async (vm) => ({
      kind: "vm" as const,
      id: vm.id,
      name: vm.name,
      detail: vm.state,
      size_bytes: await allocatedBytes(vmDirectory(context.paths, vm.id)),
      used_by: vm.state === "stopped" || vm.state === "error" ? [] : [vm.name],
      current: true,
    })),
  );
}

function snapshotParts({ snapshots }: Context): Promise<Part[]> {
  return Promise.all(
    snapshots.list().map(async ({ id, name, vm, machine }) => ({
      kind: "snapshot" as const,
      id,
      name,
      detail: `${machine ? "memory and disk" : "disk"} of ${vm.name}`,
      size_bytes: await snapshots.bytes(id),
      used_by: [],
      current: true,
    })),
  );
}

interface Described {
  readonly name: string;
  readonly digest: string;
}

const storeOf = (
  context: Context,
  kind: Supply,
): {
  list(): Promise<readonly Described[]>;
  parts(): Promise<StoredPart[]>;
  discard(digest: string): Promise<void>;
} => (kind === "image" ? context.images : context.kernels);

async function storeParts(context: Context, kind: Supply): Promise<Part[]> {
  const store = storeOf(context, kind);
  const names = Map.groupBy(await store.list(), (one) => one.digest);
  return (await store.parts()).map(({ digest, current, bytes }) => ({
    kind,
    id: digest,
    name:
      names
        .get(digest)
        ?.map((one) => one.name)
        .join(", ") ?? "(unreadable)",
    detail: current ? `current ${kind}` : `older ${kind}`,
    size_bytes: bytes,
    used_by: usersOf(context, kind, digest),
    current,
  }));
}

async function cached({ paths }: Context): Promise<Part[]> {
  return (await cacheParts(paths)).map(({ name, meaning, bytes }) => ({
    kind: "cache",
    id: name,
    name,
    detail: meaning,
    size_bytes: bytes,
    used_by: [],
    current: true,
  }));
}
