/**
 * The daemon with faults: started in the place of src/daemon/main.ts by faults.ts. It writes down each checkpoint that it
 * passes and, at the one that is armed, kills itself, the monitors, or a client.
 */
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { onCheckpoint } from "../../src/core/checkpoints.ts";
import { resolvePaths } from "../../src/host/paths.ts";
import { ARMED, type Fault, FOLDER_VARIABLE, PASSED } from "./faults.ts";

const folder = process.env[FOLDER_VARIABLE] ?? "";

onCheckpoint((point) => {
  appendFileSync(join(folder, PASSED), `${point}\n`);
  const armed = join(folder, ARMED);
  if (!existsSync(armed)) return;
  const fault = JSON.parse(readFileSync(armed, "utf8")) as Fault;
  if (fault.point !== point) return;
  rmSync(armed);
  for (const pid of victims(fault)) process.kill(pid, "SIGKILL");
});

function victims(fault: Fault): number[] {
  if (fault.victim === "daemon") return [process.pid];
  if (fault.victim === "client") return [Number(readFileSync(join(folder, "client"), "utf8"))];
  const vms = join(resolvePaths().state, "vms");
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && commandLine(name).includes(vms))
    .map(Number);
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}

await import("../../src/daemon/main.ts");
