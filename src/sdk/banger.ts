/** The client of the daemon. */
import type { Duplex } from "node:stream";
import type { CreateVm, DaemonStatus, Operation, RestoreSnapshot, Vm, WaitFor } from "../api/schemas.ts";
import { resolvePaths } from "../host/paths.ts";
import { type Catalogs, catalogsOf } from "./catalogs.ts";
import { type Cleaning, cleaning } from "./cleaning.ts";
import { type ConnectOptions, dialler } from "./connect.ts";
import type { Execution } from "./execution.ts";
import { type Images, imagesOf } from "./images.ts";
import { type Kernels, kernelsOf } from "./kernels.ts";
import { type Lease, openLease } from "./lease.ts";
import { cancelOperation, type FollowOptions, follow, perform } from "./operations.ts";
import { type DiskRateOptions, diskRateRequest, type NetRateOptions, netRateRequest } from "./rates.ts";
import { type ExecOptions, Sandbox, startExecution } from "./sandbox.ts";
import { type Snapshots, snapshotsOf } from "./snapshots.ts";
import { segment, Transport } from "./transport.ts";
import { type PrepareOptions, prepareRequest } from "./workspace.ts";

export interface CreateOptions {
  /** A DNS label; a two-word name is made when absent. */
  readonly name?: string;
  readonly image?: string;
  readonly kernel?: string;
  readonly driver?: "auto" | "firecracker" | "qemu";
  /** Sizes default to the configuration, else to a share of the host. */
  readonly vcpu?: number;
  readonly memoryMib?: number;
  readonly diskBytes?: number;
  /** Boot it, even if it could start from a template kept ready. */
  readonly cold?: boolean;
  /** Expose virtualization to the guest. */
  readonly nested?: boolean;
  /** Outbound network. Default false: none at all. */
  readonly nat?: boolean;
  /** How fast it may use its own disk, and the network that `nat` gives it, each way. Default: as fast as it goes. */
  readonly diskRate?: DiskRateOptions;
  readonly netRate?: NetRateOptions;
  /** Ports of this host that lead into the guest while it runs. */
  readonly publish?: readonly PublishOptions[];
  /** Default true. */
  readonly start?: boolean;
  /** What to wait for. Default `agent`: commands can run. */
  readonly wait?: WaitFor;
  /** Delete it when the lease ends. */
  readonly autoRemove?: boolean;
  readonly lease?: string;
  /** A repository of the host to bring in; when that fails the VM is deleted. */
  readonly workspace?: PrepareOptions & { readonly path: string };
  /** Stop it (with `autoRemove`: delete it) this long after each start, in milliseconds. */
  readonly ttlMs?: number;
  /** `await using` leaves it in place. */
  readonly keep?: boolean;
}

/** What can be said of a VM that is made of a snapshot: the rest is as it was. */
export type RestoreOptions = Pick<
  CreateOptions,
  "name" | "publish" | "wait" | "autoRemove" | "lease" | "ttlMs" | "keep"
>;

/** A TCP port of the guest and where this host listens for it. */
export interface PublishOptions {
  /** An IP address of this host; by default both loopback addresses. */
  readonly address?: string | null;
  /** 0 or absent: a free one, told by `sandbox.info.publish`. */
  readonly hostPort?: number;
  readonly guestPort: number;
}

/** A connection to banger's daemon: `const banger = await Banger.connect()`. */
export class Banger implements Disposable {
  readonly images: Images;
  readonly kernels: Kernels;
  readonly catalogs: Catalogs;
  readonly cleaning: Cleaning;
  readonly snapshots: Snapshots;
  readonly operations: {
    list(): Promise<Operation[]>;
    get(id: string): Promise<Operation>;
    follow(id: string, options?: FollowOptions): Promise<Operation>;
    cancel(id: string): Promise<Operation>;
  };
  readonly #transport: Transport;

  private constructor(transport: Transport) {
    this.#transport = transport;
    this.images = imagesOf(transport);
    this.kernels = kernelsOf(transport);
    this.catalogs = catalogsOf(transport);
    this.cleaning = cleaning(transport);
    this.snapshots = snapshotsOf(transport);
    this.operations = {
      list: () => transport.json("/v1/operations"),
      get: (id) => transport.json(`/v1/operations/${segment(id)}`),
      follow: (id, options) => follow(transport, id, options),
      cancel: (id) => cancelOperation(transport, id),
    };
  }

  /**
   * Connects to this user's daemon and starts it when it does not run.
   * @throws daemon_unreachable | daemon_start_failed | daemon_socket_foreign
   */
  static async connect(options: ConnectOptions = {}): Promise<Banger> {
    const dial = dialler(options);
    // The connection that proves that there is a daemon carries the first request.
    let first: Awaited<ReturnType<typeof dial>> | undefined = await dial();
    first.on("error", () => {}); // its close is what counts
    first.once("close", () => {
      first = undefined;
    });
    first.unref();
    return new Banger(
      new Transport(async () => {
        const ready = first;
        first = undefined;
        return ready ? ready.ref() : dial();
      }),
    );
  }

  /** The daemon itself: version, memory, driver. */
  status(): Promise<DaemonStatus> {
    return this.#transport.json("/v1/status");
  }

  /** Makes a VM and starts it. When it is disposed of (`await using`) it is deleted, unless `keep` is set. */
  async create(options: CreateOptions = {}, following: FollowOptions = {}): Promise<Sandbox> {
    const body = await createRequest(options);
    const operation = await perform(this.#transport, "/v1/vms", { method: "POST", body }, following);
    const info = await this.#transport.json<Vm>(`/v1/vms/${segment(operation.target)}`);
    return new Sandbox(this.#transport, info, !options.keep);
  }

  /**
   * A VM of a snapshot that goes on from there, a machine of its own. When it is disposed of it is deleted, unless `keep` is set.
   * @throws snapshot_not_found | snapshot_unusable | snapshot_damaged | vm_name_taken
   */
  async restore(
    snapshot: string,
    options: RestoreOptions = {},
    following: FollowOptions = {},
  ): Promise<Sandbox> {
    const path = `/v1/snapshots/${segment(snapshot)}/restore`;
    const body: RestoreSnapshot = commonRequest(options);
    const operation = await perform(this.#transport, path, { method: "POST", body }, following);
    const info = await this.#transport.json<Vm>(`/v1/vms/${segment(operation.target)}`);
    return new Sandbox(this.#transport, info, !options.keep);
  }

  /** All VMs, oldest first. */
  async list(): Promise<Sandbox[]> {
    const vms = await this.#transport.json<Vm[]>("/v1/vms");
    return vms.map((info) => new Sandbox(this.#transport, info));
  }

  /** One VM by name, id or unique id prefix. @throws vm_not_found | vm_ambiguous */
  async get(ref: string): Promise<Sandbox> {
    return new Sandbox(this.#transport, await this.#transport.json<Vm>(`/v1/vms/${segment(ref)}`));
  }

  /** Starts a process in a VM by name, id or unique id prefix, without asking for the VM first. */
  exec(ref: string, argv: readonly string[], options: ExecOptions = {}): Execution {
    return startExecution(this.#transport, `/v1/vms/${segment(ref)}`, argv, options);
  }

  /** Connects to a TCP port in a VM by name, id or unique id prefix, without asking for the VM first. */
  async connectPort(ref: string, port: number, options: { signal?: AbortSignal } = {}): Promise<Duplex> {
    const { connectPort } = await import("./connect-port.ts");
    return connectPort(this.#transport, `/v1/vms/${segment(ref)}`, port, options.signal);
  }

  /** What is made under a lease does not outlive this process, however it ends. */
  lease(): Promise<Lease> {
    return openLease(this.#transport);
  }

  /** Ends the daemon; resolves when it is gone. VMs run on. */
  async shutdown(): Promise<void> {
    await this.#transport.last("/v1/shutdown");
  }

  /** Drops the connections; nothing else changes. */
  close(): void {
    this.#transport.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

async function createRequest(options: CreateOptions): Promise<CreateVm> {
  const { image, kernel, driver, cold, nested, nat, diskRate, netRate, start, workspace } = options;
  return {
    ...(await completeSizes(options)),
    ...commonRequest(options),
    ...(image !== undefined && { image }),
    ...(kernel !== undefined && { kernel }),
    ...(driver !== undefined && { driver }),
    ...(cold !== undefined && { cold }),
    ...(nested !== undefined && { nested }),
    ...(nat !== undefined && { nat }),
    ...(diskRate && { disk_rate: diskRateRequest(diskRate) }),
    ...(netRate && { net_rate: netRateRequest(netRate) }),
    ...(start !== undefined && { start }),
    ...(workspace && { workspace: prepareRequest(workspace.path, workspace) }),
  };
}

function commonRequest({ name, publish, wait, autoRemove, lease, ttlMs }: RestoreOptions): RestoreSnapshot {
  return {
    ...(name !== undefined && { name }),
    ...(publish && {
      publish: publish.map(({ address = null, hostPort = 0, guestPort }) => ({
        address,
        host_port: hostPort,
        guest_port: guestPort,
      })),
    }),
    ...(wait !== undefined && { wait }),
    ...(autoRemove !== undefined && { auto_remove: autoRemove }),
    ...(lease !== undefined && { lease }),
    ...(ttlMs !== undefined && { ttl_ms: ttlMs }),
  };
}

async function completeSizes(
  options: CreateOptions,
): Promise<Pick<CreateVm, "vcpu" | "memory_mib" | "disk_bytes">> {
  const { vcpu, memoryMib, diskBytes } = options;
  if (vcpu !== undefined && memoryMib !== undefined && diskBytes !== undefined) {
    return { vcpu, memory_mib: memoryMib, disk_bytes: diskBytes };
  }
  const { readConfig } = await import("../host/config-file.ts");
  const { vmDefaults } = await import("../host/vm-defaults.ts");
  const defaults = vmDefaults(await readConfig(resolvePaths()));
  return {
    vcpu: vcpu ?? defaults.vcpu.value,
    memory_mib: memoryMib ?? defaults.memoryMib.value,
    disk_bytes: diskBytes ?? defaults.diskBytes.value,
  };
}
