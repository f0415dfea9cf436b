/** A monitor's program: as config.toml names it, else on PATH. Refusals say what is wrong with it. */

import { constants } from "node:fs";
import { access, open, stat } from "node:fs/promises";
import { arch } from "node:os";
import { join } from "node:path";
import { homeFolder } from "../host/paths.ts";
import { findTool } from "../host/tools.ts";

export type FoundProgram =
  | { readonly path: string; readonly problem?: never }
  | { readonly path: null; readonly problem: string; readonly fix: string };

/** ELF's e_machine, for Node's names of architectures. */
const MACHINES: Record<number, string> = { 62: "x64", 183: "arm64" };

/**
 * @param key of config.toml that may name it, for messages
 * @param configured the key's value: absolute, or below the home with `~/`
 */
export async function findProgram(
  name: string,
  key: string,
  configured: string | undefined,
): Promise<FoundProgram> {
  if (configured === undefined) {
    const path = await findTool(name);
    const fix = `install it, or name it in config.toml: ${key} = "/path/to/${name}"`;
    return path === null ? { path, problem: `${name} is not installed`, fix } : checked(path, fix);
  }
  const path = configured.startsWith("~/") ? join(homeFolder(), configured.slice(2)) : configured;
  return checked(path, `correct ${key} in config.toml`);
}

async function checked(path: string, fix: string): Promise<FoundProgram> {
  const problem = await whatIsWrong(path).catch((error: Error) => error.message);
  return problem === null ? { path } : { path: null, problem: `${path} ${problem}`, fix };
}

async function whatIsWrong(path: string): Promise<string | null> {
  const info = await stat(path).catch(() => null);
  if (!info) return "does not exist";
  if (!info.isFile()) return "is not a file";
  if (
    !(await access(path, constants.X_OK).then(
      () => true,
      () => false,
    ))
  )
    return "is not executable";
  const file = await open(path, "r").catch(() => null);
  if (!file) return null; // a program need not be readable
  try {
    const head = Buffer.alloc(20);
    await file.read(head, 0, head.length, 0);
    if (head.toString("latin1", 0, 4) !== "\x7fELF") return null; // a script, say: running it will tell
    const machine = MACHINES[head.readUInt16LE(18)] ?? "another architecture";
    return machine === arch() ? null : `is built for ${machine}, this host is ${arch()}`;
  } finally {
    await file.close();
  }
}
