/** A guest command on this terminal: input, output, signals and size go back and forth until it ends. */
import { type ExecOptions, type Execution, type ExitStatus, exitCode } from "../sdk/index.ts";
import type { Context } from "./context.ts";
import { Interrupted, signalNumber } from "./exit.ts";

/** How the command was asked for. */
export interface CommandRequest {
  readonly env: Record<string, string>;
  readonly user: string | undefined;
  readonly cwd: string | undefined;
  readonly tty: boolean;
  readonly noStdin: boolean;
  /** Milliseconds. */
  readonly timeout: number | undefined;
}

interface Attachment {
  /** Run it on a terminal of its own in the guest. */
  readonly tty: boolean;
  /** Give it our standard input; without, it reads nothing. */
  readonly stdin: boolean;
}

/** The login shell of the guest's user, as a command. */
const LOGIN_SHELL = ["/bin/sh", "-c", `exec "\${SHELL:-/bin/sh}" -l`] as const;

/**
 * Runs a command, or a login shell when there is none, on this terminal. A shell gets a terminal of its own when we are on
 * one, as with ssh; a command gets one only when asked (`--tty`), so that its output arrives as it is.
 * @returns the exit code as a shell gives it
 */
export async function runCommand(
  context: Context,
  exec: (argv: readonly string[], options: ExecOptions) => Execution,
  command: readonly string[] | undefined,
  request: CommandRequest,
): Promise<number> {
  const onTerminal = context.stdin.isTTY === true && context.stdout.isTTY === true;
  const tty = request.tty || (command === undefined && onTerminal);
  const stdin = !request.noStdin;
  const execution = exec(command ?? LOGIN_SHELL, {
    env: { ...(tty && context.env.TERM ? { TERM: context.env.TERM } : {}), ...request.env },
    stdin,
    ...(tty && { pty: terminalSize(context) }),
    ...(request.user !== undefined && { user: request.user }),
    ...(request.cwd !== undefined && { cwd: request.cwd }),
    ...(request.timeout !== undefined && { timeoutMs: request.timeout }),
  });
  return exitCode(await attach(context, execution, { tty, stdin }));
}

/**
 * Connects a started execution with this process' streams until it ends. The terminal is restored whatever happens.
 * SIGINT and SIGTERM go to the command; a second one, or a terminal that is gone, leaves it.
 * @throws Interrupted when it was left, and what `exited` rejects with
 */
async function attach(
  context: Context,
  execution: Execution,
  { tty, stdin }: Attachment,
): Promise<ExitStatus> {
  const restore = tty ? await takeTerminal(context, execution) : () => {};
  let left: Interrupted | undefined;
  try {
    return await context.interrupts.during(
      (signal, count) => {
        if (signal !== "SIGHUP" && count === 1) {
          execution.kill(signalNumber(signal));
          return;
        }
        left = new Interrupted(signal);
        execution.close();
      },
      async () => {
        if (stdin) context.stdin.pipe(execution.stdin);
        const written = Promise.all([
          drain(execution.stdout, context.stdout),
          drain(execution.stderr, context.stderr),
        ]);
        const status = await execution.exited;
        await written;
        return status;
      },
    );
  } catch (error) {
    throw left ?? error;
  } finally {
    if (stdin) {
      context.stdin.unpipe(execution.stdin);
      context.stdin.pause();
    }
    restore();
  }
}

/** Copies to one of our own streams, as fast as that takes it; ours stays open. */
function drain(from: NodeJS.ReadableStream, to: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve) => {
    from.once("end", resolve).once("close", resolve);
    from.pipe(to, { end: false });
  });
}

/** Every key goes to the guest, and the guest hears of every new size. @returns how to give the terminal back */
async function takeTerminal(context: Context, execution: Execution): Promise<() => void> {
  const { stdin, stdout } = context;
  const raw = stdin.isTTY === true;
  const resize = () => {
    const { rows, cols } = terminalSize(context);
    execution.resize(rows, cols);
  };
  const restore = () => {
    stdout.off("resize", resize);
    process.off("exit", restore);
    if (raw) stdin.setRawMode(false);
  };
  stdout.on("resize", resize);
  process.once("exit", restore); // also when something ends the process in between
  if (raw) {
    stdin.setRawMode(true);
    // Node's raw mode still turns every line feed into two characters, which spoils full-screen programs. What is
    // restored in the end is the terminal as it was before both.
    const { runOnTerminal } = await import("../host/run.ts");
    await runOnTerminal("stty", ["-opost"]).catch(() => {});
  }
  return restore;
}

function terminalSize({ stdout }: Context): { rows: number; cols: number } {
  return { rows: stdout.rows || 24, cols: stdout.columns || 80 };
}
