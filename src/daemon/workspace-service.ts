/** Workspaces as operations: finds the VM's facts, lets src/workspace do the work, records what came of it. */
import { basename } from "node:path";
import { finished, PassThrough, type Readable } from "node:stream";
import type {
  ExportWorkspace,
  Operation,
  PrepareWorkspace,
  Workspace,
  WorkspaceExport,
} from "../api/schemas.ts";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { openPatch } from "../git/patch.ts";
import { readable } from "../git/work-tree.ts";
import type { GuestSession } from "../guest/index.ts";
import { workspaceDirectory } from "../host/paths.ts";
import type { RunningProgram } from "../host/run.ts";
import type { VmRecord } from "../store/vms.ts";
import type { WorkspaceRecord } from "../store/workspaces.ts";
import type { VmContext } from "../vm/context.ts";
import { type Exported, type ExportRequest, exportWorkspace, openShadow } from "../workspace/export.ts";
import { GUEST_PATH, type Place, type PrepareRequest, prepareWorkspace } from "../workspace/prepare.ts";
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

  /** Starts an export of a running VM's workspace. @throws workspace_missing */
  startExport(vm: VmRecord, session: GuestSession, request: ExportWorkspace): Operation {
    const record = this.find(vm);
    return this.#operations.start("workspace_export", vm.id, (work) =>
      this.#context.busy.hold(vm, "workspace export", async () => {
        const exported = await exportWorkspace(
          this.#place(vm, session),
          record,
          exportRequest(request),
          work,
        );
        return describeExport(exported);
      }),
    );
  }

  /** The patch between two trees, as a stream that fails when git does. @throws workspace_missing */
  async patch(vm: VmRecord, from: string, to: string): Promise<Readable> {
    const shadow = await openShadow(workspaceDirectory(this.#context.paths, vm.id), this.find(vm));
    return endingWell(openPatch(shadow, from, to));
  }

  /** @throws workspace_missing */
  find(vm: VmRecord): WorkspaceRecord {
    const record = this.#context.workspaces.get(vm.id);
    if (record) return record;
    throw BangerError.of("workspace_missing", { name: vm.name });
  }

  /** Prepares as a part of an operation that holds the VM. */
  async prepare(vm: VmRecord, session: GuestSession, request: PrepareWorkspace, work: Work): Promise<void> {
    await prepareWorkspace(this.#place(vm, session), prepareRequest(request), work);
  }

  #place(vm: VmRecord, session: GuestSession): Place {
    const { workspaces, paths } = this.#context;
    return {
      vmId: vm.id,
      session,
      directory: workspaceDirectory(paths, vm.id),
      previous: workspaces.get(vm.id),
      save: (record) => workspaces.set(record),
    };
  }
}

function prepareRequest(request: PrepareWorkspace): PrepareRequest {
  return {
    path: request.path,
    guestPath: request.guest_path ?? GUEST_PATH,
    includeUntracked: request.include_untracked ?? false,
    readOnly: request.readonly ?? false,
    fullCopy: request.mode === "full_copy",
    branch: request.branch ?? null,
    from: request.from ?? null,
    force: request.force ?? false,
  };
}

function exportRequest(request: ExportWorkspace): ExportRequest {
  return {
    baseCommit: request.base_commit ?? null,
    apply: request.apply ?? false,
    branch: request.branch ?? null,
  };
}

const LISTED = 1000;

function describeExport({ from, to, head, commits, files }: Exported): WorkspaceExport {
  return {
    from,
    to,
    head: head.commit,
    branch: head.ref?.replace(/^refs\/heads\//, "") ?? null,
    commits: [...commits],
    file_count: files.length,
    files: files.slice(0, LISTED).map((file) => ({ ...file, path: readable(file.path) })),
  };
}

/** A program's output as a stream that ends only if the program ended well. */
function endingWell({ stdout, ended }: RunningProgram): Readable {
  const result = new PassThrough();
  stdout.pipe(result, { end: false });
  finished(result, () => stdout.destroy());
  ended.then(
    () => finished(stdout, { writable: false }, () => result.end()),
    (error: Error) => result.destroy(error),
  );
  return result;
}

/** The wire form of a record. */
export function describeWorkspace(record: WorkspaceRecord): Workspace {
  return {
    name: basename(record.root),
    root: record.root,
    guest_path: record.guestPath,
    branch: record.branch,
    head: record.head,
    host_head: record.hostHead,
    tree: record.tree,
    include_untracked: record.includeUntracked,
    readonly: record.readOnly,
    mode: record.fullCopy ? "full_copy" : "shallow",
    files: record.files,
    bytes: record.bytes,
    prepared_at: new Date(record.preparedAt).toISOString(),
  };
}
