/** Snapshots, seen from a client. */
import { resolve } from "node:path";
import type { Operation, Snapshot } from "../api/schemas.ts";
import { type FollowOptions, perform } from "./operations.ts";
import { segment, type Transport } from "./transport.ts";

/** VMs as they were: see `sandbox.snapshot()`. */
export interface Snapshots {
  /** All, oldest first. */
  list(): Promise<Snapshot[]>;
  /** By name or id. @throws snapshot_not_found */
  get(ref: string): Promise<Snapshot>;
  /** VMs that were made of it stay. @throws snapshot_not_found | snapshot_in_use */
  delete(ref: string): Promise<void>;
  /** Writes it to a file (tar.zst) of this host that does not exist yet. */
  export(ref: string, path: string, following?: FollowOptions): Promise<void>;
  /** Takes one from a file. @throws archive_invalid | snapshot_damaged | snapshot_name_taken */
  import(path: string, options?: FollowOptions & { readonly name?: string | undefined }): Promise<Snapshot>;
}

export function snapshotsOf(transport: Transport): Snapshots {
  const pathOf = (ref: string) => `/v1/snapshots/${segment(ref)}`;
  const get = (ref: string) => transport.json<Snapshot>(pathOf(ref));
  return {
    list: () => transport.json("/v1/snapshots"),
    get,
    delete: (ref) => transport.json(pathOf(ref), { method: "DELETE" }),
    export: async (ref, path, following) => {
      const call = { method: "POST", body: { path: resolve(path) } } as const;
      await perform(transport, `${pathOf(ref)}/export`, call, following);
    },
    import: async (path, { name, ...following } = {}) => {
      const body = { path: resolve(path), ...(name !== undefined && { name }) };
      return get(made(await perform(transport, "/v1/snapshots/import", { method: "POST", body }, following)));
    },
  };
}

/** Makes one of the VM with that API path. */
export async function makeSnapshot(
  transport: Transport,
  vmPath: string,
  { name, ...following }: FollowOptions & { readonly name?: string | undefined },
): Promise<Snapshot> {
  const call = { method: "POST", body: name === undefined ? {} : { name } } as const;
  const id = made(await perform(transport, `${vmPath}/snapshots`, call, following));
  return transport.json<Snapshot>(`/v1/snapshots/${segment(id)}`);
}

function made({ result }: Operation): string {
  if (result && "snapshot" in result) return result.snapshot;
  throw new Error("the operation told no snapshot");
}
