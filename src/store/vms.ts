/** The VM repository: typed records in, typed records out. Knows SQL and nothing of machines. */
import type { SQLInputValue } from "node:sqlite";
import { BangerError } from "../core/errors.ts";
import type { PortMapping } from "../core/port-mapping.ts";
import type { RateLimit } from "../core/rate-limit.ts";
import type { Database } from "./database.ts";

const SQLITE_CONSTRAINT_UNIQUE = 2067;

export type VmState = "creating" | "stopped" | "starting" | "running" | "stopping" | "paused" | "error";

/** By a boot, from a template that was kept ready, from a snapshot or a running VM. */
export type StartKind = "cold" | "warm" | "restored";

/** Milliseconds; guest clock except `readyMs`. */
export interface BootRecord {
  readonly initMs: number;
  readonly rootMs: number;
  readonly agentMs: number;
  readonly readyMs: number;
  readonly attempts: number;
}

/** A snapshot, or the VM that it was forked from; either may be gone since. */
export interface Origin {
  readonly kind: "snapshot" | "vm";
  readonly id: string;
  readonly name: string;
}

export interface VmRecord {
  readonly id: string;
  readonly name: string;
  readonly state: VmState;
  readonly reason: string | null;
  readonly imageName: string;
  readonly imageDigest: string;
  readonly kernelName: string;
  readonly kernelDigest: string;
  readonly kernelRelease: string;
  readonly driver: string;
  readonly vcpu: number;
  readonly memoryMib: number;
  readonly diskBytes: number;
  /**
   * Its disk is a copy of another machine's and may still carry that one's identity: it gets its own before anybody works in it,
   * at its next start. Until its guest has written that to the disk this stays so.
   */
  readonly borrowed: boolean;
  /** How it came up last: null before the first time. */
  readonly start: StartKind | null;
  /** What it was made of, when not of an image alone. */
  readonly origin: Origin | null;
  /** The guest may not know the name or have the disk size that this record says yet: seen to at the next start at the latest. */
  readonly unsettled: boolean;
  readonly nested: boolean;
  /** Outbound network. */
  readonly nat: boolean;
  /** How fast it may use its disk and its network; null = as fast as it goes. */
  readonly diskRate: RateLimit | null;
  readonly netRate: RateLimit | null;
  /** Ports of the host that lead into it while it runs. */
  readonly publish: readonly PortMapping[];
  readonly autoRemove: boolean;
  /** How long after each start it is stopped (deleted with `autoRemove`), in milliseconds. */
  readonly ttlMs: number | null;
  /** Since when nobody uses it; null while somebody does. Kept up to date only where idle VMs are stopped. */
  readonly idleSince: number | null;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly bootId: string | null;
  readonly boot: BootRecord | null;
  /** The driver's handle of the running monitor, as the driver made it. */
  readonly machine: unknown;
}

/** What may change after creation. */
export type VmChange = Partial<
  Pick<
    VmRecord,
    | "name"
    | "vcpu"
    | "memoryMib"
    | "diskBytes"
    | "borrowed"
    | "start"
    | "unsettled"
    | "nat"
    | "diskRate"
    | "netRate"
    | "state"
    | "reason"
    | "autoRemove"
    | "idleSince"
    | "startedAt"
    | "bootId"
    | "boot"
    | "machine"
  >
>;

const COLUMNS: Record<keyof VmRecord, string> = {
  id: "id",
  name: "name",
  state: "state",
  reason: "reason",
  imageName: "image_name",
  imageDigest: "image_digest",
  kernelName: "kernel_name",
  kernelDigest: "kernel_digest",
  kernelRelease: "kernel_release",
  driver: "driver",
  vcpu: "vcpu",
  memoryMib: "memory_mib",
  diskBytes: "disk_bytes",
  borrowed: "borrowed",
  start: "start",
  origin: "origin",
  unsettled: "unsettled",
  nested: "nested",
  nat: "nat",
  diskRate: "disk_rate",
  netRate: "net_rate",
  publish: "publish",
  autoRemove: "auto_remove",
  ttlMs: "ttl_ms",
  idleSince: "idle_since",
  createdAt: "created_at",
  startedAt: "started_at",
  bootId: "boot_id",
  boot: "boot",
  machine: "machine",
};
const FIELDS = Object.keys(COLUMNS) as (keyof VmRecord)[];

export class VmRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** All VMs, oldest first. */
  list(): VmRecord[] {
    return this.#database.prepare("SELECT * FROM vms ORDER BY created_at, id").all().map(toRecord);
  }

  get(id: string): VmRecord | null {
    const row = this.#database.prepare("SELECT * FROM vms WHERE id = ?").get(id);
    return row ? toRecord(row) : null;
  }

  hasName(name: string): boolean {
    return this.#database.prepare("SELECT 1 FROM vms WHERE name = ?").get(name) !== undefined;
  }

  /** Adds a VM. @returns false when the name is taken (decided by the database, so two at once cannot both win) */
  insert(record: VmRecord): boolean {
    const sql = `INSERT INTO vms (${FIELDS.map((f) => COLUMNS[f]).join(", ")}) VALUES (${FIELDS.map(() => "?").join(", ")})
                 ON CONFLICT (name) DO NOTHING`;
    return this.#database.prepare(sql).run(...FIELDS.map((f) => toColumn(record[f]))).changes === 1;
  }

  /** Changes a VM. A VM deleted meanwhile is left deleted. @throws vm_name_taken; nothing is changed then */
  update(id: string, change: VmChange): void {
    const fields = Object.keys(change) as (keyof VmChange)[];
    const sql = `UPDATE vms SET ${fields.map((f) => `${COLUMNS[f]} = ?`).join(", ")} WHERE id = ?`;
    try {
      this.#database.prepare(sql).run(...fields.map((f) => toColumn(change[f])), id);
    } catch (error) {
      if (change.name === undefined || (error as { errcode?: number }).errcode !== SQLITE_CONSTRAINT_UNIQUE)
        throw error;
      throw BangerError.of("vm_name_taken", { name: change.name });
    }
  }

  delete(id: string): void {
    this.#database.prepare("DELETE FROM vms WHERE id = ?").run(id);
  }
}

function toColumn(value: unknown): SQLInputValue {
  if (value === null || value === undefined) return null;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "object") return JSON.stringify(value);
  return value as SQLInputValue;
}

function toRecord(row: Record<string, unknown>): VmRecord {
  const record: Record<string, unknown> = {};
  for (const field of FIELDS) record[field] = row[COLUMNS[field]];
  return {
    ...record,
    borrowed: record.borrowed === 1,
    unsettled: record.unsettled === 1,
    nested: record.nested === 1,
    nat: record.nat === 1,
    diskRate: fromJson(record.diskRate),
    netRate: fromJson(record.netRate),
    publish: fromJson(record.publish),
    origin: fromJson(record.origin),
    autoRemove: record.autoRemove === 1,
    boot: fromJson(record.boot),
    machine: fromJson(record.machine),
  } as VmRecord;
}

function fromJson(text: unknown): unknown {
  return typeof text === "string" ? JSON.parse(text) : null;
}
