/** The git repository of the host that a VM works on. */
import { resolve } from "node:path";
import type { PrepareWorkspace, Vm } from "../api/schemas.ts";
import { type FollowOptions, perform } from "./operations.ts";
import type { Transport } from "./transport.ts";

export interface PrepareOptions {
  /** In the guest; default /root/repo. */
  readonly guestPath?: string;
  /** Also files that git neither tracks nor ignores. */
  readonly includeUntracked?: boolean;
  /** Drop the files' write bits. */
  readonly readOnly?: boolean;
  /** A new branch for the guest. */
  readonly branch?: string;
  /** Where that branch starts; default HEAD. */
  readonly from?: string;
  /** Replace what is in the guest. */
  readonly force?: boolean;
}

export type WorkspaceInfo = NonNullable<Vm["workspace"]>;

/** `sandbox.workspace` */
export class Workspace {
  readonly #transport: Transport;
  readonly #path: string;
  readonly #refresh: () => Promise<Vm>;

  constructor(transport: Transport, vmPath: string, refresh: () => Promise<Vm>) {
    this.#transport = transport;
    this.#path = `${vmPath}/workspace`;
    this.#refresh = refresh;
  }

  /** Brings the repository that `path` lies in into the running VM, and tells what the guest has then. */
  async prepare(path: string, options: PrepareOptions & FollowOptions = {}): Promise<WorkspaceInfo> {
    const body = prepareRequest(path, options);
    await perform(this.#transport, this.#path, { method: "POST", body }, options);
    const { workspace } = await this.#refresh();
    if (!workspace) throw new Error("the VM was deleted meanwhile");
    return workspace;
  }
}

export function prepareRequest(path: string, options: PrepareOptions): PrepareWorkspace {
  const { guestPath, includeUntracked, readOnly, branch, from, force } = options;
  return {
    path: resolve(path),
    ...(guestPath !== undefined && { guest_path: guestPath }),
    ...(includeUntracked && { include_untracked: true }),
    ...(readOnly && { readonly: true }),
    ...(branch !== undefined && { branch }),
    ...(from !== undefined && { from }),
    ...(force && { force: true }),
  };
}
