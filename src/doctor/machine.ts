/** The machine and the runtime. */
import { arch, platform, release } from "node:os";
import { fail, pass, type Row } from "./row.ts";

const OLDEST_NODE = 24;

export function checkArchitecture(system: string = platform(), machine: string = arch()): Row {
  if (system === "linux" && machine === "x64") return pass("architecture", `Linux ${release()}, x86_64`);
  return fail("architecture", `${system} on ${machine}`, "banger runs on Linux on x86_64");
}

export function checkNode(version: string = process.version): Row {
  const major = Number(/^v(\d+)\./.exec(version)?.[1] ?? 0);
  if (major >= OLDEST_NODE) return pass("node", version);
  return fail("node", version, `install Node.js ${OLDEST_NODE} or newer`);
}
