/** Collecting what a process prints, within a bound. */
import type { Readable } from "node:stream";
import { BangerError } from "../core/errors.ts";
import type { Execution } from "./execution.ts";
import { type ExecResult, exitCode } from "./exit-status.ts";

const DEFAULT_LIMIT = 16 * 1024 * 1024;

/** Waits for the end and gives both outputs. Beyond `limit` bytes in either, the process is left and an error thrown. */
export async function collect(execution: Execution, limit = DEFAULT_LIMIT): Promise<ExecResult> {
  try {
    const [stdout, stderr] = await Promise.all([
      gather(execution.stdout, limit, "stdout"),
      gather(execution.stderr, limit, "stderr"),
    ]);
    const status = await execution.exited;
    return {
      ...status,
      stdout,
      stderr,
      exitCode: exitCode(status),
      get text() {
        return stdout.toString("utf8");
      },
    };
  } catch (error) {
    execution.close();
    throw error;
  }
}

async function gather(stream: Readable, limit: number, name: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) {
      throw BangerError.of("invalid_argument", {
        what: name,
        problem: `the command printed more than ${limit} bytes`,
        accepted:
          "give output({ limit }) a larger limit, or read the stream instead of awaiting the execution",
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
