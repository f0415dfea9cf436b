/** Puts the double where a driver finds it as Firecracker's program, and lets the jail show it its sources. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { DAEMON_OPTIONS } from "../../../src/host/node-options.ts";
import { findTool } from "../../../src/host/tools.ts";
import { hostTimeStampCounter } from "../../../src/vmm/qemu/host-clock.ts";
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
  const environment = `DOUBLE_TSC_KHZ='${(await hostTimeStampCounter())?.khz ?? ""}'`;
  const program = script(
    join(bin, "firecracker"),
    `${environment} exec '${process.execPath}' ${DAEMON_OPTIONS.join(" ")} '${DOUBLE}' '${file}' "$@"`,
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

export interface JailerDouble {
  /** For `jailer_bin`; it is found beside the double anyway. */
  readonly program: string;
  /** What it tells and how it ends, see jailer.c. */
  plan(plan: { readonly version?: string; readonly fail?: string; readonly die?: string }): void;
}

/** Puts the jailer's double beside Firecracker's. */
export function installJailer({
  program: firecracker,
  path: bin,
}: Pick<Installed, "program" | "path">): JailerDouble {
  const program = join(bin, "jailer");
  const source = fileURLToPath(new URL("jailer.c", import.meta.url));
  const warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-format-truncation"];
  execFileSync("gcc", ["-O1", ...warnings, "-o", program, source], { stdio: "inherit" });
  const shown = [...SYSTEM, REPOSITORY, dirname(process.execPath), bin, DESCRIPTION].filter(existsSync);
  const plan: JailerDouble["plan"] = ({ version = DEFAULT.version, fail, die }) => {
    const lines = [`version ${version}`, ...shown.map((path) => `show ${path}`)];
    if (fail) lines.push(`fail ${fail}`);
    if (die) lines.push(`die ${die}`);
    writeFileSync(`${program}.plan`, `${lines.join("\n")}\n`);
  };
  plan({});
  chmodSync(dirname(firecracker), 0o755);
  return { program, plan };
}

const SYSTEM = ["/usr", "/bin", "/lib", "/lib64", "/sbin", "/etc/alternatives"];

/** What a driver asks to start a VM, in order. */
export const START = [
  "PUT /machine-config",
  "PUT /boot-source",
  "PUT /drives/base",
  "PUT /drives/state",
  "PUT /drives/modules",
  "PUT /network-interfaces/net",
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
