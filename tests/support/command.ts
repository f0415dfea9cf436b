/** Runs the `./banger` launcher as a user does. */
import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { driverLines } from "./suite-driver.ts";

export const LAUNCHER = fileURLToPath(new URL("../../banger", import.meta.url));

export interface CommandResult {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly input?: string | Buffer;
  readonly cwd?: string;
  /** What is put before the command. */
  readonly behind?: readonly string[];
}

/** The environment of somebody whose home is `home` and who set nothing else up. */
export function homeEnvironment(home: string): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: home, CI: "true", LANG: "C.UTF-8" };
}

/**
 * Writes a home's config.toml, with what nearly every test wants where `toml` does not say otherwise: VMs of debian-slim, since
 * the default image takes minutes to build, no templates, which are made in the background and would slow down the rest, and
 * the driver that the suite runs on.
 */
export async function configureHome(home: string, toml = ""): Promise<void> {
  const folder = join(home, ".config/banger");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const usual = ['default_image = "debian-slim"\n', "warm_cache = 0\n", ...driverLines()];
  const missing = usual.filter((line) => !toml.includes(`${line.split(" ")[0]} = `));
  await writeFile(join(folder, "config.toml"), missing.join("") + toml);
}

/** Runs `banger` to its end and collects what it printed. */
export function banger(args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const [program = "", ...all] = [...(options.behind ?? []), LAUNCHER, ...args];
  return runToEnd(program, all, options);
}

/** Runs a program to its end and collects what it printed. */
export async function runToEnd(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const child = spawn(program, args, {
    env: options.env,
    cwd: options.cwd,
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => {}); // a command that does not read its input
  child.stdin.end(options.input ?? "");
  const ended = new Promise<Pick<CommandResult, "code" | "signal">>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  const [stdout, stderr, end] = await Promise.all([buffer(child.stdout), buffer(child.stderr), ended]);
  return { ...end, stdout: stdout.toString("utf8"), stderr: stderr.toString("utf8") };
}

/** Command lines of the processes that work below `folder` or name it: the daemon, monitors, jails. */
export async function leftProcesses(folder: string): Promise<string[]> {
  const left: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const read = (name: string) => readFile(join("/proc", pid, name), "latin1").catch(() => "");
    const [commandLine, environment] = await Promise.all([read("cmdline"), read("environ")]);
    const ours = environment.split("\0").includes(`HOME=${folder}`) || commandLine.includes(folder);
    if (ours) left.push(`${pid}: ${commandLine.replaceAll("\0", " ").slice(0, 200)}`);
  }
  return left;
}
