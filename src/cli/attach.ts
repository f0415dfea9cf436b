/** A guest command on this terminal: input, output, signals and size go back and forth until it ends. */
import { formatDuration } from "../core/units.ts";
import { BangerError, type ExecOptions, type Execution, type ExitStatus, exitCode } from "../sdk/index.ts";
import type { Context } from "./context.ts";
import { Detached, Interrupted, signalNumber } from "./exit.ts";
import { DetachFilter } from "./terminal/detach-keys.ts";
import { drain, feed } from "./terminal/flow.ts";
import { terminalSize, withLentTerminal } from "./terminal/lend.ts";

/** How the command was asked for. */
export interface CommandRequest {
  readonly env: Record<string, string>;
  readonly user: string | undefined;
  readonly cwd: string | undefined;
  readonly tty: boolean;
  readonly noStdin: boolean;
  /** Milliseconds. */
  readonly timeout: number | undefined;
  /** Keys that leave it to itself; it then outlives this client in any case. */
  readonly detachKeys?: Buffer | undefined;
}

interface Attachment {
  /** Run it on a terminal of its own in the guest. */
  readonly tty: boolean;
  /** Give it our standard input; without, it reads nothing. */
  readonly stdin: boolean;
  /** Keys that leave it to itself. */
  readonly detachKeys?: Buffer | undefined;
}

/** What of the context a command on this terminal needs. */
export type Place = Pick<Context, "stdin" | "stdout" | "stderr" | "env" | "interrupts">;

/** The login shell of the guest's user, as a command. */
const LOGIN_SHELL = ["/bin/sh", "-c", `exec "\${SHELL:-/bin/sh}" -l`] as const;

type Exec = (argv: readonly string[], options: ExecOptions) => Execution;

/** As `followCommand`. @returns the exit code as a shell gives it */
export async function runCommand(
  place: Place,
  exec: Exec,
  command: readonly string[] | undefined,
  request: CommandRequest,
): Promise<number> {
  return exitCode(await followCommand(place, exec, command, request));
}

/**
 * Runs a command, or a login shell when there is none, on this terminal. A shell gets a terminal of its own when its input
 * is one, as with ssh; a command gets one only when asked (`--tty`), so that its output arrives as it is.
 * @throws command_timed_out, Detached, and what kept it from running to its end
 */
export async function followCommand(
  place: Place,
  exec: Exec,
  command: readonly string[] | undefined,
  request: CommandRequest,
): Promise<ExitStatus> {
  const tty = request.tty || (command === undefined && place.stdin.isTTY === true);
  const stdin = !request.noStdin;
  const execution = exec(command ?? LOGIN_SHELL, {
    env: { ...(tty && place.env.TERM ? { TERM: place.env.TERM } : {}), ...request.env },
    stdin,
    ...(tty && { pty: terminalSize(place) }),
    ...(request.user !== undefined && { user: request.user }),
    ...(request.cwd !== undefined && { cwd: request.cwd }),
    ...(request.timeout !== undefined && { timeoutMs: request.timeout }),
    ...(request.detachKeys && { onDisconnect: "keep" }),
  });
  const status = await attach(place, execution, { tty, stdin, detachKeys: request.detachKeys });
  if (status.timedOut) {
    throw BangerError.of("command_timed_out", { timeout: formatDuration(request.timeout ?? 0) });
  }
  return status;
}

/**
 * Connects a started execution with this process' streams until it ends. SIGINT and SIGTERM go to the command; a second
 * one, or a terminal that is gone, leaves it. On a terminal of its own the command hears Ctrl-C as a key; a signal is then
 * meant for us and leaves it at once, as with ssh.
 * @throws Interrupted when it was left, Detached when that was by the keys for it, and what `exited` rejects with
 */
export async function attach(
  place: Place,
  execution: Execution,
  { tty, stdin, detachKeys }: Attachment,
): Promise<ExitStatus> {
  let left: Interrupted | Detached | undefined;
  const onSignal = (signal: NodeJS.Signals, count: number) => {
    if (!tty && signal !== "SIGHUP" && count === 1) {
      execution.kill(signalNumber(signal));
      return;
    }
    left = new Interrupted(signal);
    execution.close();
  };
  const onResize = ({ rows, cols }: { rows: number; cols: number }) => execution.resize(rows, cols);
  const keys =
    detachKeys &&
    new DetachFilter(detachKeys, async () => {
      left = new Detached((await execution.started).proc);
      execution.close();
    });
  keys?.pipe(execution.stdin);
  const follow = () => carry(place, execution, stdin ? (keys ?? execution.stdin) : undefined);
  try {
    return await place.interrupts.during(onSignal, () =>
      tty ? withLentTerminal(place, { keys: stdin, onResize }, follow) : follow(),
    );
  } catch (error) {
    throw left ?? error;
  }
}

/** What `work` gives, or 0 when the user left it by the keys for it; then they are told how to come back. */
export async function untilLeft(
  vm: string,
  { note }: Pick<Context, "note">,
  work: () => Promise<number>,
): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Detached)) throw error;
    note(`[detached; it runs on: banger vm attach ${vm} ${error.proc} comes back to it]`);
    return 0;
  }
}

/** Carries input and output until the command has ended and everything that it printed is written. */
async function carry(
  place: Place,
  execution: Execution,
  stdin: NodeJS.WritableStream | undefined,
): Promise<ExitStatus> {
  const input = stdin && feed(place.stdin, stdin);
  const ended = Promise.all([
    execution.exited,
    drain(execution.stdout, place.stdout, "standard output"),
    drain(execution.stderr, place.stderr, "standard error"),
  ]);
  try {
    const [status] = await Promise.race(input ? [ended, input.broken] : [ended]);
    return status;
  } catch (error) {
    execution.close(); // also when it is our own stream that failed
    throw error;
  } finally {
    input?.stop();
  }
}
