/** Workspaces as operations: finds the VM's facts, lets src/workspace do the work, records what came of it. */
import type { Operation, PrepareWorkspace, Workspace } from "../api/schemas.ts";
import type { Work } from "../core/stage.ts";
import type { GuestSession } from "../guest/index.ts";
import { workspaceDirectory } from "../host/paths.ts";
import type { VmRecord } from "../store/vms.ts";
import type { WorkspaceRecord } from "../store/workspaces.ts";
import type { VmContext } from "../vm/context.ts";
import { GUEST_PATH, type PrepareRequest, prepareWorkspace } from "../workspace/prepare.ts";
import type { Operations } from "./operations.ts";

export class WorkspaceService {
  readonly #context: VmContext;
  readonly #operations: Operations;

  constructor(context: VmContext, operations: Operations) {
    this.#context = context;
    this.#operations = operations;
  }

  /** Starts the preparation of a running VM. */
  startPrepare(vm: VmRecord, session: GuestSession, request: PrepareWorkspace): Operation {
    return this.#operations.start("workspace_prepare", vm.id, (work) =>
      this.#context.busy.hold(vm, "workspace prepare", () => this.prepare(vm, session, request, work)),
    );
  }

  /** Prepares as a part of an operation that holds the VM. */
  async prepare(vm: VmRecord, session: GuestSession, request: PrepareWorkspace, work: Work): Promise<void> {
    const directory = workspaceDirectory(this.#context.paths, vm.id);
    const place = { vmId: vm.id, session, directory };
    this.#context.workspaces.set(await prepareWorkspace(place, prepareRequest(request), work));
  }
}

function prepareRequest(request: PrepareWorkspace): PrepareRequest {
  return {
    path: request.path,
    guestPath: request.guest_path ?? GUEST_PATH,
    includeUntracked: request.include_untracked ?? false,
    readOnly: request.readonly ?? false,
    branch: request.branch ?? null,
    from: request.from ?? null,
    force: request.force ?? false,
  };
}

/** The wire form of a record. */
export function describeWorkspace(record: WorkspaceRecord): Workspace {
  return {
    root: record.root,
    guest_path: record.guestPath,
    branch: record.branch,
    head: record.head,
    host_head: record.hostHead,
    tree: record.tree,
    include_untracked: record.includeUntracked,
    readonly: record.readOnly,
    files: record.files,
    bytes: record.bytes,
    prepared_at: new Date(record.preparedAt).toISOString(),
  };
}
