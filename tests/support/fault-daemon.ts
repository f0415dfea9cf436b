/**
 * The daemon with faults: started in the place of src/daemon/main.ts by faults.ts. It writes down each checkpoint that it
 * passes and, at the one that is armed, kills itself, the monitors, or a client.
 */
import { appendFileSync, existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { onCheckpoint } from "../../src/core/checkpoints.ts";
import { resolvePaths } from "../../src/host/paths.ts";
import { findByUser } from "../../src/host/processes.ts";
import { jailUser } from "../../src/vmm/jail/jail-user.ts";
import { ARMED, type Fault, FOLDER_VARIABLE, PASSED } from "./faults.ts";

const folder = process.env[FOLDER_VARIABLE] ?? "";

onCheckpoint((point) => {
  appendFileSync(join(folder, PASSED), `${point}\n`);
  const armed = join(folder, ARMED);
  if (!existsSync(armed)) return;
  const fault = JSON.parse(readFileSync(armed, "utf8")) as Fault;
  if (fault.point !== point) return;
  rmSync(armed);
  for (const pid of victims(fault)) kill(pid);
});

function victims(fault: Fault): number[] {
  if (fault.victim === "daemon") return [process.pid];
  if (fault.victim === "client") return [Number(readFileSync(join(folder, "client"), "utf8"))];
  const vms = join(resolvePaths().state, "vms");
  const jailed = readdirSync(vms).flatMap((id) => findByUser(jailUser(join(vms, id))));
  const named = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && worksIn(vms, pid));
  return [...named.map(Number), ...jailed.map(({ pid }) => pid)];
}

/** Whoever has a file there on its command line, or works there. */
function worksIn(folder: string, pid: string): boolean {
  try {
    if (readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(folder)) return true;
    return readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
  } catch {
    return false;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it ended with another one of them
  }
}

await import("../../src/daemon/main.ts");
