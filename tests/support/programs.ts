/** Other people's programs, run to their end. */
import { spawn } from "node:child_process";
import { buffer } from "node:stream/consumers";

export interface ProgramResult {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs a program and collects what it printed. */
export async function runProgram(
  [program = "", ...args]: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly input?: string | Buffer; readonly cwd?: string },
): Promise<ProgramResult> {
  const child = spawn(program, args, { env: options.env, cwd: options.cwd, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {}); // one that does not read its input
  child.stdin.end(options.input ?? "");
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [stdout, stderr, code] = await Promise.all([buffer(child.stdout), buffer(child.stderr), ended]);
  return { code, stdout, stderr: stderr.toString("utf8") };
}
