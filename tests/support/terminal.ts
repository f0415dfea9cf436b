/** A real terminal (tmux, in control mode): keys go in, what the screen was sent comes out as events. */
import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { stripVTControlCharacters } from "node:util";
import { patient } from "./patience.ts";

const PATIENCE_MS = patient(60_000);
/** tmux drops command lines that are too long. */
const KEYS_AT_ONCE = 256;

export class Terminal implements AsyncDisposable {
  readonly #tmux: ChildProcessWithoutNullStreams;
  readonly #waiting = new Set<() => void>();
  #seen = "";

  /** Starts `command` (a shell line) in a new terminal of that size. */
  constructor(command: string, env: NodeJS.ProcessEnv, size: { columns: number; rows: number }) {
    const { columns, rows } = size;
    this.#tmux = spawn(
      "tmux",
      [
        ...["-L", `banger-test-${process.pid}-${Math.random().toString(36).slice(2)}`],
        ...["-f", "/dev/null", "-C", "new-session", "-x", `${columns}`, "-y", `${rows}`, command],
      ],
      { env: { ...env, TERM: "xterm" } },
    );
    this.#tmux.stdin.on("error", () => {}); // its end is what counts
    createInterface(this.#tmux.stdout).on("line", (line) => this.#receive(line));
  }

  /** Types text as it is. */
  type(text: string): void {
    const codes = [...Buffer.from(text)].map((byte) => byte.toString(16));
    for (let at = 0; at < codes.length; at += KEYS_AT_ONCE) {
      this.#tmux.stdin.write(`send-keys -H ${codes.slice(at, at + KEYS_AT_ONCE).join(" ")}\n`);
    }
  }

  /** Gives the window a new size. */
  resize(columns: number, rows: number): void {
    this.#tmux.stdin.write(`resize-window -x ${columns} -y ${rows}\n`);
  }

  /** Resolves when `pattern` has come since the last match; what came up to it is taken away. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const late = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      this.#seen = stripVTControlCharacters(this.#seen);
      const match = pattern.exec(this.#seen);
      if (match) {
        this.#seen = this.#seen.slice(match.index + match[0].length);
        return match;
      }
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
        late.addEventListener("abort", () => resolve(), { once: true });
      });
      if (late.aborted) assert.fail(`no ${pattern} in: ${JSON.stringify(this.#seen)}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#tmux.stdin.write("kill-server\n");
    if (this.#tmux.exitCode === null) await once(this.#tmux, "close");
  }

  #receive(line: string): void {
    const output = /^%output %\d+ (.*)$/s.exec(line)?.[1];
    if (output === undefined) return;
    // Control mode writes bytes below 32 and the backslash in octal.
    this.#seen += output.replace(/\\(\d{3})/g, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    );
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
