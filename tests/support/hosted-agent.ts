/**
 * The real agent, built with address and undefined-behaviour sanitizers, serving on this host instead of in a VM. What it
 * does here is harmless: no power-off, no mounts; its processes and files are the test's.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { untilListening } from "../../src/daemon/listen.ts";
import { type GuestSession, openGuest } from "../../src/guest/index.ts";
import { connectUnix } from "../../src/host/unix-socket.ts";
import { temporaryFolder } from "./temporary.ts";

const GUEST = fileURLToPath(new URL("../../guest", import.meta.url));
const OPEN_MS = 20_000;

/** Compiled when its sources changed. */
export function agentBinary(): string {
  execFileSync("make", ["-s", "-C", GUEST, "sanitize"], { stdio: ["ignore", "inherit", "inherit"] });
  return join(GUEST, "build/banger-agent-asan");
}

export interface HostedAgent {
  /** A folder of the test's own. */
  readonly folder: string;
  /** A new session; the agent serves one at a time, the newest. */
  connect(): Promise<GuestSession>;
}

/** Starts an agent; when the test ends it is ended too, and must not have complained. */
export async function hostedAgent(t: TestContext): Promise<HostedAgent> {
  const folder = temporaryFolder(t);
  const socket = join(folder, "agent.sock");
  const child = spawn(agentBinary(), ["--hosted", "--listen", socket], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
    // The sanitizer's own leak search needs ptrace, which some sandboxes forbid.
    env: { ...process.env, ASAN_OPTIONS: "detect_leaks=0" },
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const sessions: GuestSession[] = [];
  t.after(async () => {
    for (const session of sessions) session.close();
    const ended = await end(child);
    assert.equal(said, "", "the agent complained");
    assert.equal(ended, "SIGTERM", "the agent ended by itself");
  });
  await untilListening(socket, OPEN_MS);
  return {
    folder,
    connect: async () => {
      const session = await openGuest(await connectUnix(socket), { timeoutMs: OPEN_MS });
      sessions.push(session);
      return session;
    },
  };
}

async function end(child: ChildProcess): Promise<string | number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.signalCode ?? child.exitCode;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const [code, signal] = (await gone) as [number | null, string | null];
  return signal ?? code;
}
