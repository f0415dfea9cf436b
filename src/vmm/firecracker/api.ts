/**
 * Firecracker's API as far as banger uses it: bodies by method and path, after its published description; a contract test
 * compares the two. Whatever Firecracker refuses is told in its own words.
 */
import { BangerError } from "../../core/errors.ts";
import type { Answer, ApiConnection } from "./http.ts";

/** So many tokens at most, refilled within that many milliseconds. */
export interface TokenBucket {
  readonly size: number;
  readonly refill_time: number;
}

export interface RateLimiter {
  readonly bandwidth: TokenBucket;
  readonly ops?: TokenBucket;
}

/** The body of each call. `{…}` in a path is the last part of the body's own id. */
export interface Calls {
  "PUT /machine-config": {
    readonly vcpu_count: number;
    readonly mem_size_mib: number;
    readonly smt: boolean;
  };
  "PUT /boot-source": {
    readonly kernel_image_path: string;
    readonly initrd_path: string;
    readonly boot_args: string;
  };
  "PUT /drives/{drive_id}": {
    readonly drive_id: string;
    readonly path_on_host: string;
    readonly is_root_device: boolean;
    readonly is_read_only: boolean;
    readonly cache_type: "Unsafe" | "Writeback";
    readonly rate_limiter?: RateLimiter;
  };
  "PATCH /drives/{drive_id}": {
    readonly drive_id: string;
    readonly path_on_host?: string;
    readonly rate_limiter?: RateLimiter;
  };
  "PUT /network-interfaces/{iface_id}": {
    readonly iface_id: string;
    readonly host_dev_name: string;
    readonly guest_mac: string;
    readonly rx_rate_limiter?: RateLimiter;
    readonly tx_rate_limiter?: RateLimiter;
  };
  "PATCH /network-interfaces/{iface_id}": {
    readonly iface_id: string;
    readonly rx_rate_limiter: RateLimiter;
    readonly tx_rate_limiter: RateLimiter;
  };
  "PUT /vsock": { readonly guest_cid: number; readonly uds_path: string };
  "PUT /entropy": Record<never, never>;
  "PUT /actions": { readonly action_type: "InstanceStart" };
  "PATCH /vm": { readonly state: "Paused" | "Resumed" };
  "PUT /snapshot/create": {
    readonly snapshot_type: "Full";
    readonly snapshot_path: string;
    readonly mem_file_path: string;
  };
  "PUT /snapshot/load": {
    readonly snapshot_path: string;
    readonly mem_backend: { readonly backend_type: "File"; readonly backend_path: string };
    readonly resume_vm: boolean;
  };
}

export type CallName = keyof Calls;
export type Call = {
  readonly [Name in CallName]: { readonly name: Name; readonly body: Calls[Name] };
}[CallName];

/** What a call is for, and what to look at when it is refused. */
type Meaning = readonly [what: string, fix: string];

const MEANING: Record<CallName, Meaning> = {
  "PUT /machine-config": ["set vcpus and memory", "ask for other --vcpu or --memory"],
  "PUT /boot-source": ["take the kernel", "banger kernel pull gets a fresh one; --kernel names another"],
  "PUT /drives/{drive_id}": [
    "attach a disk",
    "check that the image is whole: banger image pull gets it anew",
  ],
  "PATCH /drives/{drive_id}": [
    "change the disk's size or speed",
    "stop and start the VM; it then has what was set",
  ],
  "PUT /network-interfaces/{iface_id}": [
    "attach the network interface",
    "banger doctor checks the driver; --driver qemu needs no tap",
  ],
  "PATCH /network-interfaces/{iface_id}": [
    "change the network's speed",
    "stop and start the VM; it then has what was set",
  ],
  "PUT /vsock": [
    "make the channel to the guest's agent",
    "banger doctor checks the driver; --driver qemu needs no vsock",
  ],
  "PUT /entropy": ["give the guest entropy", "banger doctor checks Firecracker's version"],
  "PUT /actions": ["start the VM", "banger doctor checks KVM; --driver qemu works without it"],
  "PATCH /vm": ["pause or resume the VM", "banger vm show tells its state"],
  "PUT /snapshot/create": ["save the VM's state", "check the free space"],
  "PUT /snapshot/load": [
    "load the saved state",
    "a state can only be loaded by a Firecracker that knows its version, on a like processor, with its disks in place",
  ],
};

const LOOK: Meaning = ["tell what the VM has", "banger doctor checks Firecracker's version"];

/** The path of a call, its id filled in. Pure. */
export function callPath({ name, body }: Call): string {
  const path = name.slice(name.indexOf(" ") + 1);
  return path.replace(/\{(\w+)\}/, (_, id: string) =>
    encodeURIComponent(String((body as Record<string, unknown>)[id])),
  );
}

/** @throws driver_failed with Firecracker's own message */
export async function call(connection: ApiConnection, request: Call): Promise<void> {
  const method = request.name.slice(0, request.name.indexOf(" "));
  const answer = await connection
    .request(method, callPath(request), request.body)
    .catch((error: Error) => Promise.reject(refused(MEANING[request.name], error.message)));
  if (answer.status !== 204) throw refused(MEANING[request.name], faultMessage(answer));
}

/** `Not started`, `Running` or `Paused`. @throws Error when it does not answer like Firecracker */
export async function describe(connection: ApiConnection): Promise<string> {
  const answer = await connection.request("GET", "/");
  const state = answer.status === 200 ? parsed(answer.body)?.state : undefined;
  if (typeof state !== "string") throw new Error(faultMessage(answer));
  return state;
}

/** Where Firecracker finds a drive's file. @throws driver_failed, also when it has no such drive */
export async function drivePath(connection: ApiConnection, id: string): Promise<string> {
  const drive = (await configured(connection, "drives")).find((each) => each?.drive_id === id);
  if (typeof drive?.path_on_host !== "string") throw refused(LOOK, `there is no drive ${id}`);
  return drive.path_on_host;
}

/** Whether the VM has a network interface. @throws driver_failed */
export async function hasNetwork(connection: ApiConnection): Promise<boolean> {
  return (await configured(connection, "network-interfaces")).length > 0;
}

/** What the VM has of a kind, also one whose state was loaded. */
async function configured(
  connection: ApiConnection,
  kind: "drives" | "network-interfaces",
): Promise<readonly (Record<string, unknown> | null)[]> {
  const answer = await connection
    .request("GET", "/vm/config")
    .catch((error: Error) => Promise.reject(refused(LOOK, error.message)));
  const list = answer.status === 200 ? parsed(answer.body)?.[kind] : undefined;
  if (!Array.isArray(list)) throw refused(LOOK, faultMessage(answer));
  return list;
}

function refused([what, fix]: Meaning, reason: string): BangerError {
  return BangerError.of("driver_failed", { driver: "Firecracker", what, reason, fix });
}

function faultMessage({ status, body }: Answer): string {
  const message = parsed(body)?.fault_message;
  return typeof message === "string" && message !== ""
    ? message
    : `status ${status}: ${body.trim() || "no reason given"}`;
}

function parsed(body: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" ? (value as Record<string, unknown> | null) : null;
  } catch {
    return null;
  }
}
