/** What each VM's workspace was made of. A row goes with its VM. */
import type { Database } from "./database.ts";

export interface WorkspaceRecord {
  readonly vmId: string;
  /** Top of the host's work tree. */
  readonly root: string;
  readonly guestPath: string;
  /** Branch in the guest; null when detached. */
  readonly branch: string | null;
  /** It was made for the guest (`--branch`). */
  readonly ownBranch: boolean;
  /** Commit that the guest's HEAD was set to; null on a branch without commits. */
  readonly head: string | null;
  /** HEAD of the host's repository then. */
  readonly hostHead: string | null;
  /** The work tree that the guest got, as a git tree. */
  readonly tree: string;
  readonly includeUntracked: boolean;
  readonly readOnly: boolean;
  /** With all of the history and submodules. */
  readonly fullCopy: boolean;
  /** What the last preparation moved. */
  readonly files: number;
  readonly bytes: number;
  readonly preparedAt: number;
  /** Guest clock, nanoseconds: what changed in the guest's tree since then, banger did not change. */
  readonly settledNs: string;
  /** The tree of a preparation that is under way, or was cut off. */
  readonly pendingTree: string | null;
}

const COLUMNS: Record<keyof WorkspaceRecord, string> = {
  vmId: "vm_id",
  root: "root",
  guestPath: "guest_path",
  branch: "branch",
  ownBranch: "own_branch",
  head: "head",
  hostHead: "host_head",
  tree: "tree",
  includeUntracked: "include_untracked",
  readOnly: "read_only",
  fullCopy: "full_copy",
  files: "files",
  bytes: "bytes",
  preparedAt: "prepared_at",
  settledNs: "settled_ns",
  pendingTree: "pending_tree",
};
const FIELDS = Object.keys(COLUMNS) as (keyof WorkspaceRecord)[];

export class WorkspaceRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** null when the VM has no workspace. */
  get(vmId: string): WorkspaceRecord | null {
    const row = this.#database.prepare("SELECT * FROM workspaces WHERE vm_id = ?").get(vmId);
    if (!row) return null;
    const record = Object.fromEntries(FIELDS.map((field) => [field, row[COLUMNS[field]]]));
    return {
      ...record,
      includeUntracked: record.includeUntracked === 1,
      readOnly: record.readOnly === 1,
      fullCopy: record.fullCopy === 1,
      ownBranch: record.ownBranch === 1,
    } as WorkspaceRecord;
  }

  /** Replaces what was known. A VM deleted meanwhile gets none. */
  set(record: WorkspaceRecord): void {
    const values = FIELDS.map((field) => {
      const value = record[field];
      return typeof value === "boolean" ? Number(value) : value;
    });
    const columns = FIELDS.map((field) => COLUMNS[field]).join(", ");
    this.#database
      .prepare(
        `INSERT OR REPLACE INTO workspaces (${columns})
         SELECT ${FIELDS.map(() => "?").join(", ")} WHERE EXISTS (SELECT 1 FROM vms WHERE id = ?)`,
      )
      .run(...values, record.vmId);
  }
}
