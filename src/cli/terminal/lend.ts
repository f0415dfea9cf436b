/** The user's terminal, lent to a program in a guest. */
import type { Context } from "../context.ts";

export interface Size {
  readonly rows: number;
  readonly cols: number;
}

type Streams = Pick<Context, "stdin" | "stdout" | "stderr">;

/** The size of the terminal that the user looks at; that of old terminals when there is none. */
export function terminalSize(streams: Streams): Size {
  const { rows, columns } = screen(streams);
  return { rows: rows || 24, cols: columns || 80 };
}

/**
 * Does `work` while the guest hears of every new size and, with `keys`, gets every key: Ctrl-C and the like too. The
 * terminal is given back however `work` ends, also when something ends this process in between.
 */
export async function withLentTerminal<T>(
  streams: Streams,
  { keys, onResize }: { readonly keys: boolean; readonly onResize: (size: Size) => void },
  work: () => Promise<T>,
): Promise<T> {
  const { stdin } = streams;
  const raw = keys && stdin.isTTY === true;
  const seen = screen(streams);
  const resize = () => onResize(terminalSize(streams));
  const giveBack = () => {
    seen.off("resize", resize);
    process.off("exit", giveBack);
    if (raw) stdin.setRawMode(false);
  };
  seen.on("resize", resize);
  process.once("exit", giveBack);
  try {
    if (raw) await takeKeys(stdin);
    return await work();
  } finally {
    giveBack();
  }
}

async function takeKeys(stdin: Streams["stdin"]): Promise<void> {
  stdin.setRawMode(true);
  // Node's raw mode still turns every line feed into two characters, which spoils full-screen programs. What is
  // restored in the end is the terminal as it was before both.
  const { runOnTerminal } = await import("../../host/run.ts");
  await runOnTerminal("stty", ["-opost"]).catch(() => {});
}

/** Standard output, unless it is redirected: `banger vm exec box | tee log` is looked at all the same. */
const screen = ({ stdout, stderr }: Streams) => (stdout.isTTY ? stdout : stderr);
