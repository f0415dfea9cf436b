/** The git repository of the host that a VM works on. */
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import type { ExportWorkspace, PrepareWorkspace, Vm, WorkspaceExport } from "../api/schemas.ts";
import { type FollowOptions, perform } from "./operations.ts";
import type { Transport } from "./transport.ts";

export interface PrepareOptions {
  /** In the guest; default /root/repo. */
  readonly guestPath?: string;
  /** Also files that git neither tracks nor ignores. */
  readonly includeUntracked?: boolean;
  /** Drop the files' write bits. */
  readonly readOnly?: boolean;
  /** `shallow` (default): ten commits; `full_copy`: all of the history, and submodules with their files. */
  readonly mode?: "shallow" | "full_copy";
  /** A new branch for the guest. */
  readonly branch?: string;
  /** Where that branch starts; default HEAD. */
  readonly from?: string;
  /** Replace what is in the guest. */
  readonly force?: boolean;
}

export interface ExportOptions {
  /** Tell changes apart from this commit, not from what the guest got. */
  readonly baseCommit?: string;
  /** Change the host's work tree: checked first, wholly or not at all. */
  readonly apply?: boolean;
  /** Make the guest's commits this new branch of the host. */
  readonly branch?: string;
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

  /** Reads what was done in the guest, and does with it on the host what was asked for. The guest stays as it is. */
  async export(options: ExportOptions & FollowOptions = {}): Promise<WorkspaceExport> {
    const { baseCommit, apply, branch } = options;
    const body: ExportWorkspace = {
      ...(baseCommit !== undefined && { base_commit: baseCommit }),
      ...(apply && { apply }),
      ...(branch !== undefined && { branch }),
    };
    const operation = await perform(
      this.#transport,
      `${this.#path}/export`,
      { method: "POST", body },
      options,
    );
    return operation.result as WorkspaceExport;
  }

  /** The patch that an export found, for `git apply`; empty when nothing was done. */
  patch(
    exported: Pick<WorkspaceExport, "from" | "to">,
    options: { signal?: AbortSignal } = {},
  ): Promise<Readable> {
    const { from, to } = exported;
    return this.#transport.open(`${this.#path}/patch`, { query: { from, to }, signal: options.signal });
  }
}

export function prepareRequest(path: string, options: PrepareOptions): PrepareWorkspace {
  const { guestPath, includeUntracked, readOnly, mode, branch, from, force } = options;
  return {
    path: resolve(path),
    ...(guestPath !== undefined && { guest_path: guestPath }),
    ...(includeUntracked && { include_untracked: true }),
    ...(readOnly && { readonly: true }),
    ...(mode !== undefined && { mode }),
    ...(branch !== undefined && { branch }),
    ...(from !== undefined && { from }),
    ...(force && { force: true }),
  };
}
