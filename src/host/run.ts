/**
 * The only place that starts processes. No shell, arguments as arrays, a clean environment, bounded output,
 * cancellation through a signal, and errors that name the program.
 */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { constants } from "node:os";

import type { Readable, Writable } from "node:stream";
import { signalFamily } from "./processes.ts";

const KEPT_STDERR = 64 * 1024;
const MAX_STDOUT = 16 * 1024 * 1024;
/** What a build that is ended may take to remove what it was making: up to some hundred MB. */
export const CLEAN_UP_MS = 20_000;

export interface RunOptions {
  readonly cwd?: string;
  /** Added to the small environment that every child gets (PATH, HOME, LANG=C.UTF-8, TMPDIR). */
  readonly env?: Record<string, string>;
  readonly signal?: AbortSignal;
  readonly input?: string;
  /** Called for each whole line on stderr. */
  readonly onStderrLine?: (line: string) => void;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that could not be started, or ended with a failure. `stderr` holds its last 64 KiB. */
export class ProcessError extends Error {
  readonly program: string;
  readonly code: number | null;
  readonly stderr: string;
  constructor(program: string, reason: string, code: number | null, stderr: string) {
    super(`${program}: ${reason}`);
    this.name = "ProcessError";
    this.program = program;
    this.code = code;
    this.stderr = stderr;
  }
  /** The last line with text on stderr: usually why. */
  get lastLine(): string {
    return this.stderr.trimEnd().split("\n").at(-1)?.trim() || this.message;
  }
}

export function childEnvironment(extra: Record<string, string> = {}): Record<string, string> {
  const kept: Record<string, string> = { LANG: "C.UTF-8" };
  for (const name of ["PATH", "HOME", "TMPDIR", "USER", "XDG_RUNTIME_DIR"]) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  // Debian keeps mkfs and friends in sbin, which is not on an ordinary user's PATH.
  kept.PATH = `${kept.PATH ?? "/usr/bin:/bin"}:/usr/local/sbin:/usr/sbin:/sbin`;
  return { ...kept, ...extra };
}

/** In the environment of what the daemon has done for it: a daemon that is killed leaves such programs (src/host/leftovers.ts). */
export const WORK_MARK = "BANGER_WORK_OF";

/** The mark as a part of an environment; empty in who does not mark what it starts. */
export function workMark(): Record<string, string> {
  const mark = process.env[WORK_MARK];
  return mark === undefined ? {} : { [WORK_MARK]: mark };
}

/** Runs a program to its end and returns its output. @throws ProcessError when it cannot start, fails, or is cancelled */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const child = start(program, args, options, ["pipe", "pipe", "pipe"]);
  const stdout = collect(child.stdout, MAX_STDOUT);
  child.stdin?.on("error", () => {}).end(options.input ?? "");
  const { stderr } = await finished(program, child, options);
  return { code: 0, stdout: await stdout, stderr };
}

export interface RunningProgram {
  /** Writing to a program that has ended is not an error of its own: `ended` tells. */
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Resolves once it has ended well. @throws ProcessError as `run` does */
  readonly ended: Promise<void>;
}

/** Starts a program whose streams are the caller's. */
export function open(program: string, args: readonly string[], options: RunOptions = {}): RunningProgram {
  const child = start(program, args, options, ["pipe", "pipe", "pipe"]) as ChildProcessWithoutNullStreams;
  const ended = finished(program, child, options).then(() => {});
  ended.catch(() => {}); // whoever reads the output asks later
  child.stdin.on("error", () => {});
  return { stdin: child.stdin, stdout: child.stdout, ended };
}

/**
 * Runs `producer | consumer` without a shell. Both must succeed. When one fails, or on the signal, the other is ended with all
 * that it started: mmdebstrap waits for apt before it cleans up and ends.
 * @returns once both have ended; @throws ProcessError of the one that failed first
 */
export async function runPipe(
  producer: readonly [string, readonly string[]],
  consumer: readonly [string, readonly string[]],
  options: RunOptions & { readonly onBytes?: (total: number) => void } = {},
): Promise<void> {
  const abort = new AbortController();
  const { signal: ours, ...apart } = options;
  const signal = ours ? AbortSignal.any([ours, abort.signal]) : abort.signal;
  signal.throwIfAborted();
  const from = start(producer[0], producer[1], apart, ["ignore", "pipe", "pipe"]);
  const to = start(consumer[0], consumer[1], apart, ["pipe", "ignore", "pipe"]);
  const end = (name: NodeJS.Signals) => {
    for (const { pid, exitCode, signalCode } of [from, to])
      if (pid !== undefined && exitCode === null && signalCode === null) signalFamily(pid, name);
  };
  let late: NodeJS.Timeout | undefined;
  signal.addEventListener("abort", () => {
    end("SIGTERM");
    late = setTimeout(end, CLEAN_UP_MS, "SIGKILL");
  });
  if (from.stdout && to.stdin) {
    let total = 0;
    from.stdout.on("data", (chunk: Buffer) => {
      total += chunk.length;
      options.onBytes?.(total);
    });
    to.stdin.on("error", () => {}); // the consumer's exit status tells why
    from.stdout.pipe(to.stdin);
  }
  const { onStderrLine: _, ...quiet } = options;
  const stop = (error: unknown) => {
    abort.abort();
    throw error;
  };
  const results = await Promise.allSettled([
    finished(producer[0], from, options).catch(stop),
    finished(consumer[0], to, quiet).catch(stop),
  ]);
  clearTimeout(late);
  // A broken pipe in the producer is only the echo of a consumer that failed, and the other way round.
  const errors = results.filter((r) => r.status === "rejected").map((r) => r.reason as ProcessError);
  const first = errors.find((e) => e.code !== null && e.code < 128) ?? errors[0];
  if (first) throw first;
}

/**
 * Runs a program that reads `input` on its standard input. When the input fails the program is ended.
 * @param input makes a chunk while the one before is written: a chunk is left alone until the next but one is asked for
 * @throws what `input` throws, and ProcessError when the program cannot start, fails, or is cancelled
 */
export async function runFed(
  program: string,
  args: readonly string[],
  input: AsyncIterable<Buffer>,
  options: RunOptions = {},
): Promise<void> {
  const abort = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, abort.signal]) : abort.signal;
  const { stdin, stdout, ended } = open(program, args, { ...options, signal });
  stdout.resume();
  let broken: unknown;
  await feed(input, stdin).catch((error: unknown) => {
    broken = error;
    abort.abort();
  });
  await ended.catch((error: unknown) => {
    throw broken ?? error;
  });
  if (broken) throw broken;
}

/** Ends early when the program takes no more: its end says why. @throws what `input` throws */
async function feed(input: AsyncIterable<Buffer>, stdin: Writable): Promise<void> {
  let taken = Promise.resolve(true);
  for await (const chunk of input) {
    if (!(await taken)) return;
    taken = new Promise((resolve) => stdin.write(chunk, (error) => resolve(!error)));
  }
  if (await taken) stdin.end();
}

export interface DetachedOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** File descriptors for stdin, stdout, stderr and further ones; "ignore" = /dev/null, "pipe" = one end stays here. */
  readonly stdio: readonly ("ignore" | "pipe" | number)[];
}

/**
 * Starts a process that outlives this one: its own session, no shared terminal, nothing inherited but `stdio`.
 * @throws ProcessError when the program cannot be started
 */
export async function startDetached(
  program: string,
  args: readonly string[],
  options: DetachedOptions,
): Promise<ChildProcess & { readonly pid: number }> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env ?? childEnvironment(),
    stdio: [...options.stdio],
    detached: true,
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (error) => reject(new ProcessError(program, error.message, null, "")));
  });
  child.unref();
  if (child.pid === undefined) throw new ProcessError(program, "has no process id", null, "");
  return child as ChildProcess & { readonly pid: number };
}

/**
 * Starts an interactive program on this terminal and returns its exit code (128 + n when killed by signal n). What it prints
 * goes to standard error: standard output belongs to the data that our own caller wants.
 */
export async function runOnTerminal(program: string, args: readonly string[]): Promise<number> {
  const child = spawn(program, args, { stdio: ["inherit", 2, 2] });
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new ProcessError(program, error.message, null, "")));
    child.once("exit", (code, name) => resolve(code ?? 128 + (name ? constants.signals[name] : 0)));
  });
}

type Stdio = "pipe" | "ignore";

function start(
  program: string,
  args: readonly string[],
  options: RunOptions,
  stdio: [Stdio, Stdio, Stdio],
): ChildProcess {
  return spawn(program, args, {
    cwd: options.cwd,
    env: childEnvironment({ ...workMark(), ...options.env }),
    stdio,
    ...(options.signal ? { signal: options.signal } : {}),
    killSignal: "SIGTERM",
  });
}

async function finished(
  program: string,
  child: ChildProcess,
  options: RunOptions,
): Promise<{ stderr: string }> {
  const stderr = tail(child.stderr, options.onStderrLine);
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", (error) => reject(new ProcessError(program, error.message, null, "")));
    child.once("close", (exit, name) => resolve(exit ?? 128 + (name ? constants.signals[name] : 0)));
  });
  if (code !== 0) throw new ProcessError(program, `ended with code ${code}`, code, stderr());
  return { stderr: stderr() };
}

async function collect(stream: Readable | null, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream ?? []) {
    size += (chunk as Buffer).length;
    if (size <= limit) chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function tail(stream: Readable | null, onLine?: (line: string) => void): () => string {
  let kept = "";
  let line = "";
  stream?.setEncoding("utf8").on("data", (text: string) => {
    kept = (kept + text).slice(-KEPT_STDERR);
    if (!onLine) return;
    const lines = (line + text).split("\n");
    line = (lines.pop() ?? "").slice(-KEPT_STDERR);
    for (const whole of lines) onLine(whole);
  });
  return () => kept;
}
