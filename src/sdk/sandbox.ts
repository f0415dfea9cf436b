/** One VM, seen from a client. */
import type { Duplex, Readable } from "node:stream";
import type { ExecAttach, ExecStart } from "../api/exec.ts";
import type {
  ForkVm,
  GuestProcess,
  KillVm,
  Operation,
  RestartVm,
  SetVm,
  Snapshot,
  StartVm,
  StopVm,
  Vm,
  VmPorts,
  VmState,
  VmStats,
  WaitFor,
} from "../api/schemas.ts";
import type { KillSignal } from "../core/signals.ts";
import type { Copied, CopyOptions } from "./copy.ts";
import { Execution } from "./execution.ts";
import { Files } from "./files.ts";
import type { Forward, ForwardOptions } from "./forward-port.ts";
import { type FollowOptions, perform } from "./operations.ts";
import { type DiskRateOptions, diskRateRequest, type NetRateOptions, netRateRequest } from "./rates.ts";
import { makeSnapshot } from "./snapshots.ts";
import { segment, type Transport } from "./transport.ts";
import { Workspace } from "./workspace.ts";

export interface ExecOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Name or number, optionally with a group: `user`, `1000:1000`. Default root. */
  readonly user?: string;
  /** Run on a terminal of this size. */
  readonly pty?: { readonly rows: number; readonly cols: number };
  /** Give it a standard input; otherwise it reads /dev/null. */
  readonly stdin?: boolean;
  /** Stop it after this time. */
  readonly timeoutMs?: number;
  /** Leave it when this aborts; `onDisconnect` says what becomes of it. */
  readonly signal?: AbortSignal;
  /** What becomes of the process when this client goes away. Default `hangup`. */
  readonly onDisconnect?: "keep" | "hangup";
  /** Start only: `detached` resolves, the output is kept for `attach`. */
  readonly detach?: boolean;
  /** As a login shell: argv[0] gets a leading '-'. */
  readonly login?: boolean;
  /** Shown in `processes()`. */
  readonly label?: string;
}

export interface AttachOptions {
  readonly stdoutOffset?: number;
  readonly stderrOffset?: number;
  readonly onDisconnect?: "keep" | "hangup";
  readonly signal?: AbortSignal;
}

/** What of a VM can be changed. */
export interface Settings {
  /** A DNS label. */
  readonly name?: string;
  readonly vcpu?: number;
  readonly memoryMib?: number;
  /** At least what it has. */
  readonly diskBytes?: number;
  /** Outbound network. */
  readonly nat?: boolean;
  /** Null: no limit. */
  readonly diskRate?: DiskRateOptions | null;
  readonly netRate?: NetRateOptions | null;
}

export interface ForkOptions {
  /** Default 1. */
  readonly count?: number | undefined;
  readonly name?: string | undefined;
  /** Default `agent`: commands can run. */
  readonly wait?: WaitFor | undefined;
}

/** A VM. Made by `banger.create()` it is deleted by `await using`, unless it was made with `keep`. */
export class Sandbox implements AsyncDisposable {
  readonly id: string;
  readonly files: Files;
  readonly workspace: Workspace;
  readonly #transport: Transport;
  readonly #path: string;
  #info: Vm;
  #deleteOnDispose: boolean;

  constructor(transport: Transport, info: Vm, deleteOnDispose = false) {
    this.#transport = transport;
    this.#info = info;
    this.#deleteOnDispose = deleteOnDispose;
    this.id = info.id;
    this.#path = `/v1/vms/${segment(info.id)}`;
    this.files = new Files(transport, this.#path);
    this.workspace = new Workspace(transport, this.#path, () => this.refresh());
  }

  /** What was last heard of it; `refresh()` asks anew. */
  get info(): Vm {
    return this.#info;
  }
  get name(): string {
    return this.#info.name;
  }
  get state(): VmState {
    return this.#info.state;
  }

  async refresh(): Promise<Vm> {
    this.#info = await this.#transport.json<Vm>(this.#path);
    return this.#info;
  }

  /** @param options.cold boots it, even if it could start from a template kept ready */
  async start(
    options: FollowOptions & { readonly wait?: WaitFor; readonly cold?: boolean } = {},
  ): Promise<Vm> {
    const { wait, cold } = options;
    const body: StartVm = { ...(wait !== undefined && { wait }), ...(cold !== undefined && { cold }) };
    await this.#perform("POST", "/start", body, options);
    return this.refresh();
  }

  /** Orderly power-off within `timeoutMs` (30 s), then by force. */
  async stop(options: FollowOptions & { readonly timeoutMs?: number } = {}): Promise<Vm> {
    const body: StopVm = options.timeoutMs === undefined ? {} : { timeout_ms: options.timeoutMs };
    await this.#perform("POST", "/stop", body, options);
    return this.refresh();
  }

  /** Stops it as `stop` does, if it runs, and starts it: a new boot. */
  async restart(
    options: FollowOptions & { readonly timeoutMs?: number; readonly wait?: WaitFor } = {},
  ): Promise<Vm> {
    const { timeoutMs, wait } = options;
    const body: RestartVm = {
      ...(timeoutMs !== undefined && { timeout_ms: timeoutMs }),
      ...(wait !== undefined && { wait }),
    };
    await this.#perform("POST", "/restart", body, options);
    return this.refresh();
  }

  /** Has it stand still in memory; `resume` lets it go on. Commands in it and connections into it wait. @throws vm_wrong_state */
  async pause(following: FollowOptions = {}): Promise<Vm> {
    await this.#perform("POST", "/pause", undefined, following);
    return this.refresh();
  }

  /** Lets it go on where it was, its clock put right. */
  async resume(following: FollowOptions = {}): Promise<Vm> {
    await this.#perform("POST", "/resume", undefined, following);
    return this.refresh();
  }

  /**
   * Keeps it as it is now: memory and disk while it runs or is paused (it stands still meanwhile: `stood_still_ms`), else the disk.
   * @throws snapshot_name_taken | vm_wrong_state | no_space
   */
  snapshot(options: FollowOptions & { readonly name?: string | undefined } = {}): Promise<Snapshot> {
    return makeSnapshot(this.#transport, this.#path, options);
  }

  /**
   * Copies of it as it is now, each a machine of its own that goes on from here; it goes on, too. All are made or none.
   * @param options.name of the copy, of several NAME-1, NAME-2 …; default: its own name, numbered
   * @throws vm_wrong_state | vm_name_taken | no_space
   */
  async fork({ count, name, wait, ...following }: FollowOptions & ForkOptions = {}): Promise<Sandbox[]> {
    const body: ForkVm = {
      ...(count !== undefined && { count }),
      ...(name !== undefined && { name }),
      ...(wait !== undefined && { wait }),
    };
    const { result } = await this.#perform("POST", "/fork", body, following);
    const ids = result && "vms" in result ? result.vms : [];
    const infos = await Promise.all(ids.map((id) => this.#transport.json<Vm>(`/v1/vms/${segment(id)}`)));
    return infos.map((info) => new Sandbox(this.#transport, info));
  }

  /** Ends its monitor by a signal (KILL), without asking the guest; resolves when it is gone. @throws vmm_survived */
  async kill(signal: KillSignal = "KILL", following: FollowOptions = {}): Promise<Vm> {
    const body: KillVm = { signal };
    await this.#perform("POST", "/kill", body, following);
    return this.refresh();
  }

  /**
   * Changes name and sizes, all or nothing. Processors, memory and limits of speed: only while it is stopped. The disk only grows, and a
   * running guest has the room at once. @throws vm_name_taken | vm_wrong_state | invalid_argument | no_space
   */
  async set(settings: Settings, following: FollowOptions = {}): Promise<Vm> {
    const { name, vcpu, memoryMib, diskBytes, nat, diskRate, netRate } = settings;
    const body: SetVm = {
      ...(name !== undefined && { name }),
      ...(vcpu !== undefined && { vcpu }),
      ...(memoryMib !== undefined && { memory_mib: memoryMib }),
      ...(diskBytes !== undefined && { disk_bytes: diskBytes }),
      ...(nat !== undefined && { nat }),
      ...(diskRate !== undefined && { disk_rate: diskRate && diskRateRequest(diskRate) }),
      ...(netRate !== undefined && { net_rate: netRate && netRateRequest(netRate) }),
    };
    await this.#perform("POST", "/set", body, following);
    return this.refresh();
  }

  /** Deletes the VM and its disk, also while it runs, unless told otherwise. */
  async delete(options: FollowOptions & { readonly unlessRunning?: boolean } = {}): Promise<void> {
    await this.#perform("DELETE", options.unlessRunning ? "?unless_running=true" : "", undefined, options);
    this.#deleteOnDispose = false;
  }

  /** Starts a process. Await it to get its output and status, or use its streams. */
  exec(argv: readonly string[], options: ExecOptions = {}): Execution {
    return startExecution(this.#transport, this.#path, argv, options);
  }

  /** Takes up a process again by the agent's id of it. */
  attach(proc: number, options: AttachOptions = {}): Execution {
    const { stdoutOffset, stderrOffset, onDisconnect } = options;
    const attach: ExecAttach = {
      type: "attach",
      proc,
      ...(stdoutOffset !== undefined && { stdout_offset: stdoutOffset }),
      ...(stderrOffset !== undefined && { stderr_offset: stderrOffset }),
      ...(onDisconnect && { on_disconnect: onDisconnect }),
    };
    return new Execution(this.#transport, `${this.#path}/exec`, attach, options.signal);
  }

  /**
   * Copies a file or tree of this host to a path in the guest, as `cp -a` does; relative paths there start at /root.
   * @throws copy_refused before anything was written, copy_failed
   */
  async copyIn(from: string, to: string, options: CopyOptions = {}): Promise<Copied> {
    const { copyIn } = await import("./copy.ts");
    return copyIn(from, this.files, to, options);
  }

  /** Copies a file or tree of the guest to this host, as `cp -a` does. @throws copy_refused | copy_failed */
  async copyOut(from: string, to: string, options: CopyOptions = {}): Promise<Copied> {
    const { copyOut } = await import("./copy.ts");
    return copyOut(this.files, from, to, options);
  }

  /** Copies a file or tree of this guest to another guest, or within this one. @throws copy_refused | copy_failed */
  async copyTo(from: string, other: Sandbox, to: string, options: CopyOptions = {}): Promise<Copied> {
    const { copyBetween } = await import("./copy.ts");
    return copyBetween(this.files, from, other.files, to, options);
  }

  /** Unpacks a tar archive into an existing folder of the guest. @throws guest_not_found | copy_failed */
  async unpackIn(archive: Readable, to: string, options: CopyOptions = {}): Promise<Copied> {
    const { unpackIn } = await import("./copy.ts");
    return unpackIn(archive, this.files, to, options);
  }

  /** A file or tree of the guest as a tar archive, under its own name. */
  async packOut(from: string, options: CopyOptions = {}): Promise<Readable> {
    const { packOut } = await import("./copy.ts");
    return packOut(this.files, from, options);
  }

  /** Processes started through the agent, ended ones too for a while. */
  processes(): Promise<GuestProcess[]> {
    return this.#transport.json(`${this.#path}/processes`);
  }

  /** Signals a process group by the agent's id of its first process. */
  async signalProcess(proc: number, signal: number): Promise<void> {
    const path = `${this.#path}/processes/${proc}/signal`;
    await this.#transport.json(path, { method: "POST", body: { signal } });
  }

  /**
   * Connects to a TCP port in the guest, with or without a network: a stream with half close, like a socket.
   * Aborting `signal` destroys it, also later. @throws guest_refused when nothing listens there
   */
  async connect(port: number, options: { signal?: AbortSignal } = {}): Promise<Duplex> {
    const { connectPort } = await import("./connect-port.ts");
    return connectPort(this.#transport, this.#path, port, options.signal);
  }

  /** The serial console's bytes; with `follow` until the stream is destroyed. */
  logs(options: { follow?: boolean; tail?: number; signal?: AbortSignal } = {}): Promise<Readable> {
    const { follow, tail, signal } = options;
    return this.#transport.open(`${this.#path}/logs`, { query: { follow, tail }, signal });
  }

  /** Makes a port of this host lead into the guest until it is closed or this process ends. @throws port_unavailable */
  async forward(options: ForwardOptions): Promise<Forward> {
    const { forwardPort } = await import("./forward-port.ts");
    return forwardPort(this.#transport, this.#path, options);
  }

  /** What listens in the guest, and which ports of the host lead into it. */
  ports(): Promise<VmPorts> {
    return this.#transport.json(`${this.#path}/ports`);
  }

  /** What the guest uses now. */
  stats(): Promise<VmStats> {
    return this.#transport.json(`${this.#path}/stats`);
  }

  /** Resolves when the image's init has finished starting, with its state (`running`, `degraded` …). */
  async waitSystem(options: { signal?: AbortSignal } = {}): Promise<string> {
    const call = { method: "POST", signal: options.signal } as const;
    return (await this.#transport.json<{ state: string }>(`${this.#path}/wait-system`, call)).state;
  }

  /** Does not delete it when it goes out of scope. */
  keep(): this {
    this.#deleteOnDispose = false;
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#deleteOnDispose) await this.delete();
  }

  #perform(
    method: "POST" | "DELETE",
    path: string,
    body: unknown,
    options: FollowOptions,
  ): Promise<Operation> {
    return perform(this.#transport, `${this.#path}${path}`, { method, body }, options);
  }
}

/** Starts a process in the VM with that API path. */
export function startExecution(
  transport: Transport,
  vmPath: string,
  argv: readonly string[],
  options: ExecOptions,
): Execution {
  const { env, cwd, user, pty, stdin, timeoutMs, onDisconnect, detach, login, label } = options;
  const start: ExecStart = {
    type: "start",
    argv: [...argv],
    ...(env && { env }),
    ...(cwd !== undefined && { cwd }),
    ...(user !== undefined && { user }),
    ...(pty && { pty }),
    stdin: stdin ?? false,
    ...(timeoutMs !== undefined && { timeout_ms: timeoutMs }),
    ...(onDisconnect && { on_disconnect: onDisconnect }),
    ...(detach && { detach }),
    ...(login && { login }),
    ...(label !== undefined && { label }),
  };
  return new Execution(transport, `${vmPath}/exec`, start, options.signal);
}
