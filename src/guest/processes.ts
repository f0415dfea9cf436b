/** Processes in the guest: start, attach, list, signal, resize. */
import type { Readable, Writable } from "node:stream";
import { BangerError } from "../core/errors.ts";
import { MAX_ARGUMENTS } from "../core/limits.ts";
import { ChannelReadable, ChannelWritable } from "./channels.ts";
import { failureStatus } from "./failures.ts";
import { MAX_PAYLOAD } from "./frames.ts";
import { type GuestEvent, ON_DISCONNECT, type RequestOf, type WireProcess } from "./operations.ts";
import type { GuestSession, RequestOptions } from "./session.ts";
import type { GuestStream, StreamHooks } from "./stream.ts";
import { violation } from "./violation.ts";

export type OnDisconnect = keyof typeof ON_DISCONNECT;

/** What to start. Arguments and directory may be Buffers where they are not UTF-8. */
export interface ProcessSpec {
  /** Program (looked up in PATH) and its arguments. */
  readonly argv: readonly (string | Buffer)[];
  /** Added to the guest's base environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the user's home. */
  readonly cwd?: string | Buffer;
  /** `name`, `uid`, `name:group`, `uid:gid`; default root. */
  readonly user?: string;
  /** A terminal of this size; stdout and stderr are one then. */
  readonly pty?: { readonly rows: number; readonly cols: number };
  /** False (default): stdin is /dev/null. A terminal always has stdin. */
  readonly stdin?: boolean;
  /** The process group is ended after this time. */
  readonly deadlineMs?: number;
  /** What happens when the connection is lost or detached; default keep. */
  readonly onDisconnect?: OnDisconnect;
  /** Without the base environment. */
  readonly cleanEnv?: boolean;
  /** Shown in lists; at most 64 bytes. */
  readonly label?: string;
  /** As a login shell: argv[0] becomes `-` and its base name. */
  readonly login?: boolean;
  /** False: only start it. Its newest output and its exit status are kept for `attachProcess`. Default true. */
  readonly attach?: boolean;
}

/** How a process ended: `code` or `signal` is set. */
export interface ExitStatus {
  readonly code: number | null;
  readonly signal: number | null;
  readonly timedOut: boolean;
  readonly userUs: number;
  readonly systemUs: number;
  readonly maxRssKb: number;
}

/** Where to go on reading after a lost connection. */
export interface OutputOffsets {
  readonly stdout: number;
  readonly stderr: number;
}

/** A process that this session is attached to. */
export interface GuestProcess {
  /** The agent's id of the process, never used again. */
  readonly proc: number;
  readonly pid: number;
  /** Offsets of the first bytes of stdout and stderr: 0 for a process just started. */
  readonly stdoutOffset: number;
  readonly stderrOffset: number;
  /** Destroyed from the start when the process has no stdin. Ending it closes the process' stdin. */
  readonly stdin: Writable;
  /** Output is held back in the guest while nobody reads. Destroying it drops what still comes. */
  readonly stdout: Readable;
  /** Empty with a terminal. */
  readonly stderr: Readable;
  /**
   * How it ended, known after all its output was sent (so somebody has to read or destroy both outputs).
   * @throws guest_unreachable | guest_protocol when the session is lost, operation_cancelled after `detach`,
   * guest_refused (`details.status` = `taken_over` when somebody else attached to it, `not_attached` when nobody did)
   */
  readonly exited: Promise<ExitStatus>;
  /** Offset of the next byte per output: what `attachProcess` takes. Counts only what readers have got. */
  offsets(): OutputOffsets;
  /** Lets go of the process, which follows its `onDisconnect` choice. Resolves when the agent has let go, too. */
  detach(): Promise<void>;
}

/** A row of `listProcesses`. */
export interface ProcessInfo {
  readonly proc: number;
  readonly pid: number;
  /** The first arguments, for people. */
  readonly argv: readonly string[];
  /** Nanoseconds since the epoch, by the guest's clock. */
  readonly startedNs: bigint;
  readonly running: boolean;
  readonly code: number | null;
  readonly signal: number | null;
  readonly attached: boolean;
  readonly pty: boolean;
  readonly label: string;
  readonly user: string;
}

/**
 * Starts a process and attaches to it. Aborting `options.signal` detaches.
 * @throws command_not_found | command_not_executable | arguments_too_large | guest_not_found (directory, user) | guest_refused
 */
export async function startProcess(
  session: GuestSession,
  spec: ProcessSpec,
  options: RequestOptions = {},
): Promise<GuestProcess> {
  const isAttached = spec.attach !== false;
  const attached = new Attachment(isAttached);
  const stream = session.open("proc_start", startRequest(spec), attached.hooks, options);
  const { pid, proc } = await stream.response.catch(startError(spec));
  const hasStdin = isAttached && (spec.stdin === true || spec.pty !== undefined);
  return attached.process(stream, { proc, pid, hasStdin, from: { stdout: 0, stderr: 0 } });
}

/** Which process to attach to, and from where on its output is wanted. */
export interface AttachSpec {
  readonly proc: number;
  /** Offset of the first byte wanted; 0 (default) = the oldest that is kept. */
  readonly stdoutOffset?: number;
  readonly stderrOffset?: number;
  /** Default: as it was. */
  readonly onDisconnect?: OnDisconnect;
}

/**
 * Attaches to a process, taking it over from whoever is attached. Where older output is gone, the result's offsets
 * are larger than those asked for. @throws guest_not_found
 */
export async function attachProcess(
  session: GuestSession,
  spec: AttachSpec,
  options: RequestOptions = {},
): Promise<GuestProcess> {
  const { proc, stdoutOffset, stderrOffset } = spec;
  const onDisconnect = spec.onDisconnect && ON_DISCONNECT[spec.onDisconnect];
  const attached = new Attachment();
  const fields = { proc, stdoutOffset, stderrOffset, onDisconnect };
  const stream = session.open("proc_attach", fields, attached.hooks, options);
  const answer = await stream.response;
  const from = { stdout: answer.stdoutOffset, stderr: answer.stderrOffset };
  return attached.process(stream, { proc, pid: answer.pid, hasStdin: true, from });
}

/** Running processes and those that ended lately. */
export async function listProcesses(
  session: GuestSession,
  options: RequestOptions = {},
): Promise<readonly ProcessInfo[]> {
  const { processes } = await session.request("proc_list", {}, options);
  return processes.map(processInfo);
}

/** Sends a signal by number to the process group (default) or the process alone. @throws guest_not_found */
export async function signalProcess(
  session: GuestSession,
  proc: number,
  signal: number,
  options: RequestOptions & { readonly group?: boolean } = {},
): Promise<void> {
  await session.request("proc_signal", { proc, signal, group: options.group }, options);
}

/** Tells a terminal its new size. @throws guest_not_found | guest_refused (no terminal) */
export async function resizeProcess(
  session: GuestSession,
  proc: number,
  size: { readonly rows: number; readonly cols: number },
  options: RequestOptions = {},
): Promise<void> {
  await session.request("proc_resize", { proc, rows: size.rows, cols: size.cols }, options);
}

interface Facts {
  readonly proc: number;
  readonly pid: number;
  readonly hasStdin: boolean;
  readonly from: OutputOffsets;
}

/** Collects what a process stream tells, from before its answer on. */
class Attachment {
  readonly #exited = Promise.withResolvers<ExitStatus>();
  readonly #isAttached: boolean;
  #settled = false;
  #stream: GuestStream | null = null;
  readonly hooks: StreamHooks = {
    event: (event) => this.#event(event),
    end: () => {
      if (!this.#isAttached)
        this.#exited.reject(refusal("not_attached", "nobody is attached to the process"));
      else if (!this.#settled) throw violation("a process stream ended without telling how");
    },
    eof: (channel) => this.#stream?.inflow(channel).close(null),
    lost: (error) => this.#exited.reject(error),
  };

  constructor(isAttached = true) {
    this.#isAttached = isAttached;
    this.#exited.promise.catch(() => {}); // not everybody asks
  }

  process(opened: GuestStream<"proc_start"> | GuestStream<"proc_attach">, facts: Facts): GuestProcess {
    const stream = opened as unknown as GuestStream;
    this.#stream = stream;
    for (const channel of [1, 2] as const) {
      if (stream.inflow(channel).sawEof) stream.inflow(channel).close(null);
    }
    const nothing = () => {};
    const stdout = new ChannelReadable(stream.inflow(1), nothing);
    const stderr = new ChannelReadable(stream.inflow(2), nothing);
    const stdin = new ChannelWritable(stream.outflow, () => {
      if (facts.hasStdin) stream.outflow.end();
    });
    if (!facts.hasStdin) stdin.destroy();
    return {
      proc: facts.proc,
      pid: facts.pid,
      stdoutOffset: facts.from.stdout,
      stderrOffset: facts.from.stderr,
      stdin,
      stdout,
      stderr,
      exited: this.#exited.promise,
      offsets: () => ({
        stdout: facts.from.stdout + stdout.taken,
        stderr: facts.from.stderr + stderr.taken,
      }),
      detach: () => {
        const what = `the connection to process ${facts.proc}`;
        stream.cancel(BangerError.of("operation_cancelled", { what }));
        return stream.ended;
      },
    };
  }

  #event(event: GuestEvent): void {
    if (this.#settled) throw violation("a process ended twice");
    this.#settled = true;
    if (event.name === "exited") this.#exited.resolve(exitStatus(event.fields));
    else this.#exited.reject(refusal("taken_over", "another connection took the process over"));
  }
}

function exitStatus(fields: Extract<GuestEvent, { name: "exited" }>["fields"]): ExitStatus {
  const { code, signal, ...rest } = fields;
  if ((code === undefined) === (signal === undefined)) throw violation("an exit status that is none");
  return { code: code ?? null, signal: signal ?? null, ...rest };
}

function refusal(status: "taken_over" | "not_attached", problem: string): BangerError {
  return BangerError.of("guest_refused", { problem, hint: "attach to it (again)" }, { details: { status } });
}

function startRequest(spec: ProcessSpec): RequestOf<"proc_start"> {
  const argv = spec.argv.map(toBuffer);
  if (!argv[0]?.length) throw unusable("command", "it is empty", "a program and its arguments");
  const env = Object.entries(spec.env ?? {}).map(environmentEntry);
  const cwd = spec.cwd === undefined ? undefined : toBuffer(spec.cwd);
  checkSize(argv, env, cwd);
  return {
    argv,
    env,
    cwd,
    user: spec.user,
    pty: spec.pty && true,
    rows: spec.pty?.rows,
    cols: spec.pty?.cols,
    stdin: spec.stdin,
    deadlineMs: spec.deadlineMs,
    onDisconnect: spec.onDisconnect && ON_DISCONNECT[spec.onDisconnect],
    cleanEnv: spec.cleanEnv,
    label: spec.label,
    login: spec.login,
    attach: spec.attach,
  };
}

function environmentEntry([name, value]: [string, string]): Buffer {
  if (name === "" || name.includes("=")) {
    throw unusable("environment", `'${name}' cannot be the name of a variable`, "a name without '='");
  }
  return Buffer.from(`${name}=${value}`);
}

/** Room for op, the numbers, user and label in a start request. */
const OTHER_FIELDS = 1024;
const FIELD_HEADER = 6;

function checkSize(argv: readonly Buffer[], env: readonly Buffer[], cwd: Buffer | undefined): void {
  const parts = [...argv, ...env, ...(cwd ? [cwd] : [])];
  // Each counts with its terminating NUL, as execve counts it.
  const size = parts.reduce((sum, part) => sum + part.length + 1, 0);
  const payload = size + parts.length * (FIELD_HEADER - 1) + OTHER_FIELDS;
  if (size > MAX_ARGUMENTS || payload > MAX_PAYLOAD) {
    throw BangerError.of("arguments_too_large", { size: Math.max(size, payload), limit: MAX_ARGUMENTS });
  }
}

/** Says in the catalogue's words why a program did not start. */
function startError(spec: ProcessSpec): (error: unknown) => never {
  return (error) => {
    const status = failureStatus(error);
    const command = toBuffer(spec.argv[0] ?? "").toString("utf8");
    const extra = { cause: error };
    if (status === "not_executable") throw BangerError.of("command_not_executable", { command }, extra);
    if (status === "not_found" && isAboutProgram(error as Error, spec)) {
      throw BangerError.of("command_not_found", { command }, extra);
    }
    if (status === "too_large") {
      throw BangerError.of("arguments_too_large", { size: "too many", limit: MAX_ARGUMENTS }, extra);
    }
    throw error;
  };
}

/** `not_found` may also mean the directory or the user; without either it can only be the program. */
function isAboutProgram(error: Error, spec: ProcessSpec): boolean {
  return (spec.cwd === undefined && spec.user === undefined) || /: program not found$/.test(error.message);
}

function processInfo(row: WireProcess): ProcessInfo {
  return {
    ...row,
    argv: row.argv.map((argument) => argument.toString("utf8")),
    code: row.code ?? null,
    signal: row.signal ?? null,
  };
}

function toBuffer(text: string | Buffer): Buffer {
  return typeof text === "string" ? Buffer.from(text, "utf8") : text;
}

function unusable(what: string, problem: string, accepted: string): BangerError {
  return BangerError.of("invalid_argument", { what, problem, accepted });
}
