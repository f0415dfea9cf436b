/** Programs run for their time, output thrown away. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

/** Runs a program to its end. @throws when it fails */
export async function program(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const child = spawn(command, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  let problem = "";
  child.stderr.on("data", (chunk) => {
    problem += chunk;
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}: ${problem}`);
}

/** Runs a program and gives its largest resident size in bytes, looked at whenever it prints and every few milliseconds. */
export async function peakMemory(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  let peak = 0;
  const look = () => {
    try {
      const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, "latin1"))?.[1];
      peak = Math.max(peak, Number(kib ?? 0) * 1024);
    } catch {
      // it ended
    }
  };
  child.stdout.on("data", look);
  const timer = setInterval(look, 5);
  await once(child, "close");
  clearInterval(timer);
  return peak;
}
