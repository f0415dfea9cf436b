/**
 * The database schema as numbered steps, forward only. A step is never changed after a release; a new need is a new step.
 * `PRAGMA user_version` holds the number of steps applied.
 */
export const MIGRATIONS: readonly string[] = [
  // 1: VMs. Times are milliseconds since the epoch; `machine` and `boot` are JSON written and read by vms.ts only.
  `CREATE TABLE vms (
     id            TEXT PRIMARY KEY,
     name          TEXT NOT NULL UNIQUE,
     state         TEXT NOT NULL CHECK (state IN ('creating','stopped','starting','running','stopping','paused','error')),
     reason        TEXT,
     image_name    TEXT NOT NULL,
     image_digest  TEXT NOT NULL,
     kernel_name   TEXT NOT NULL,
     kernel_digest TEXT NOT NULL,
     kernel_release TEXT NOT NULL,
     driver        TEXT NOT NULL,
     vcpu          INTEGER NOT NULL CHECK (vcpu > 0),
     memory_mib    INTEGER NOT NULL CHECK (memory_mib > 0),
     disk_bytes    INTEGER NOT NULL CHECK (disk_bytes > 0),
     nested        INTEGER NOT NULL,
     auto_remove   INTEGER NOT NULL,
     created_at    INTEGER NOT NULL,
     started_at    INTEGER,
     boot_id       TEXT,
     boot          TEXT,
     machine       TEXT
   ) STRICT`,
  // 2: the guest may not have the disk size or the name of the record yet.
  "ALTER TABLE vms ADD COLUMN unsettled INTEGER NOT NULL DEFAULT 0",
  // 3: what of the host's repositories is in which VM. `tree` is a git tree; times are milliseconds since the epoch.
  `CREATE TABLE workspaces (
     vm_id         TEXT PRIMARY KEY REFERENCES vms (id) ON DELETE CASCADE,
     root          TEXT NOT NULL,
     guest_path    TEXT NOT NULL,
     branch        TEXT,
     head          TEXT,
     host_head     TEXT,
     tree          TEXT NOT NULL,
     include_untracked INTEGER NOT NULL,
     read_only     INTEGER NOT NULL,
     files         INTEGER NOT NULL,
     bytes         INTEGER NOT NULL,
     prepared_at   INTEGER NOT NULL,
     settled_ns    TEXT NOT NULL,
     pending_tree  TEXT
   ) STRICT`,
  // 4: the network of VMs. `publish` is JSON, a list of core/port-mapping.ts' PortMapping.
  `ALTER TABLE vms ADD COLUMN nat INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE vms ADD COLUMN publish TEXT NOT NULL DEFAULT '[]'`,
  // 5: lifetime from each start on in milliseconds; since when it is idle, null while it is used.
  "ALTER TABLE vms ADD COLUMN ttl_ms INTEGER; ALTER TABLE vms ADD COLUMN idle_since INTEGER",
  // 6: the workspace has a branch that was made for it; all of the history and its submodules.
  `ALTER TABLE workspaces ADD COLUMN own_branch INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE workspaces ADD COLUMN full_copy INTEGER NOT NULL DEFAULT 0`,
  // 7: VMs that are copies: the disk still carries another's identity; how it came up last.
  `ALTER TABLE vms ADD COLUMN borrowed INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE vms ADD COLUMN start TEXT CHECK (start IN ('cold','warm','restored'))`,
  // 8: limits of speed, JSON of core/rate-limit.ts' RateLimit.
  "ALTER TABLE vms ADD COLUMN disk_rate TEXT; ALTER TABLE vms ADD COLUMN net_rate TEXT",
  // 9: snapshots, and what VMs were made of them. `manifest` is JSON (src/snapshots/manifest.ts), `origin` too (vms.ts).
  `CREATE TABLE snapshots (
     id            TEXT PRIMARY KEY,
     name          TEXT NOT NULL UNIQUE,
     created_at    INTEGER NOT NULL,
     manifest      TEXT NOT NULL
   ) STRICT;
   ALTER TABLE vms ADD COLUMN origin TEXT`,
];
