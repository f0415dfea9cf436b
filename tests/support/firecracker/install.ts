/** Puts the double where a driver finds it as Firecracker's program, and lets the jail show it its sources. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findTool } from "../../../src/host/tools.ts";
import { DESCRIPTION } from "./description.ts";
import { CALLS_FILE, type Plan, type RecordedCall } from "./plan.ts";

const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "");
const DOUBLE = fileURLToPath(new URL("double.ts", import.meta.url));

export interface Installed {
  /** For `firecracker_bin`. */
  readonly program: string;
  /** To be put before PATH: a bubblewrap that also shows the double's own files, read-only. */
  readonly path: string;
  plan(plan: Partial<Plan>): void;
}

const DEFAULT: Plan = { version: "1.17.0", guest: "none", description: DESCRIPTION };

/** @param folder an existing one of the test's own */
export async function installDouble(folder: string, plan: Partial<Plan> = {}): Promise<Installed> {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const file = join(bin, "plan.json");
  const write = (change: Partial<Plan>) =>
    writeFileSync(file, JSON.stringify({ ...DEFAULT, ...plan, ...change }));
  write({});
  const environment = `DOUBLE_TSC_KHZ='${process.env.DOUBLE_TSC_KHZ ?? ""}'`;
  const program = script(
    join(bin, "firecracker"),
    `${environment} exec '${process.execPath}' --disable-warning=ExperimentalWarning '${DOUBLE}' '${file}' "$@"`,
  );
  const bubblewrap = await findTool("bwrap");
  if (bubblewrap) {
    const shown = [REPOSITORY, process.execPath, bin, DESCRIPTION]
      .map((path) => `--ro-bind-try '${path}' '${path}'`)
      .join(" ");
    // The last mounts before all is made read-only, so that nothing is mounted over them.
    script(
      join(bin, "bwrap"),
      `done=; for a do shift; if [ -z "$done" ] && [ "$a" = --remount-ro ]; then done=1; set -- "$@" ${shown} "$a"; else set -- "$@" "$a"; fi; done
exec '${bubblewrap}' "$@"`,
    );
  }
  return { program, path: bin, plan: write };
}

/** What a driver asks to start a VM, in order. */
export const START = [
  "PUT /machine-config",
  "PUT /boot-source",
  "PUT /drives/base",
  "PUT /drives/state",
  "PUT /drives/modules",
  "PUT /vsock",
  "PUT /entropy",
  "PUT /actions",
];

/** What was asked of the double of a VM's folder, in order. */
export function recordedCalls(folder: string): RecordedCall[] {
  const lines = readFileSync(join(folder, CALLS_FILE), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as RecordedCall);
}

function script(path: string, text: string): string {
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}
