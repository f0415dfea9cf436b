/** Stands in for the terminal and the daemon's client where the command line is tested without either. */
import { PassThrough } from "node:stream";
import type { Context } from "../../src/cli/context.ts";
import { Interrupts } from "../../src/cli/interrupts.ts";
import { ProgressView } from "../../src/cli/terminal/progress.ts";
import { makeStyle } from "../../src/cli/terminal/view.ts";
import type { Banger, Execution, ExitStatus } from "../../src/sdk/index.ts";

export interface TestContext extends Context {
  readonly printed: { stdout: string; stderr: string };
}

/** A context without a terminal. Without `banger`, a command that reaches for the daemon fails. */
export function testContext(banger?: Partial<Banger>): TestContext {
  const printed = { stdout: "", stderr: "" };
  const output = (name: keyof typeof printed) => {
    const stream = new PassThrough();
    stream.on("data", (chunk) => {
      printed[name] += chunk;
    });
    return stream as unknown as NodeJS.WriteStream;
  };
  const [stdout, stderr] = [output("stdout"), output("stderr")];
  const style = makeStyle(false);
  return {
    stdin: new PassThrough() as unknown as NodeJS.ReadStream,
    stdout,
    stderr,
    env: {},
    style,
    interrupts: new Interrupts((code) => {
      throw new Error(`the process would have ended with ${code}`);
    }),
    connect: async () => {
      if (!banger) throw new Error("no daemon may be needed here");
      return banger as Banger;
    },
    status: async () => {
      throw new Error("no daemon may be needed here");
    },
    note: (text) => void stderr.write(`${text}\n`),
    progress: () => new ProgressView({ write: () => true }, style),
    printed,
  };
}

/** A signal to this process, as its listeners see it; without one it would end the test, so there must be one. */
export function signalSelf(signal: NodeJS.Signals): void {
  if (!process.emit(signal, signal)) throw new Error(`nobody listens to ${signal}`);
}

/** A process in a guest that does what the test tells it; `signals` and `closed` say what was done to it. */
export class TestExecution {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly signals: number[] = [];
  closed = false;
  readonly #exited = Promise.withResolvers<ExitStatus>();
  readonly exited = this.#exited.promise;

  end(status: Partial<ExitStatus>): void {
    this.stdout.end();
    this.stderr.end();
    this.#exited.resolve({ code: null, signal: null, timedOut: false, ...status });
  }
  fail(error: Error): void {
    this.stdout.end();
    this.stderr.end();
    this.#exited.reject(error);
  }
  kill(signal: number): void {
    this.signals.push(signal);
  }
  close(): void {
    this.closed = true;
    this.fail(new Error("left"));
  }
  /** As the code under test sees it. */
  get asExecution(): Execution {
    return this as unknown as Execution;
  }
}
