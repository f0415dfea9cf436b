/** A root of this host's own programs: each at its own path, with the libraries that it loads. */
import assert from "node:assert/strict";
import { cp, lstat, mkdir, readlink, symlink, writeFile } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { run } from "../../../src/host/run.ts";
import { findTool } from "../../../src/host/tools.ts";

/** What is a link on hosts whose /usr holds everything; programs are looked for behind it. */
const TOP = ["bin", "sbin", "lib", "lib64"];
const FOLDERS = ["dev", "proc", "sys", "run", "tmp", "root", "etc", "usr/bin"];

/** @param root a folder that does not exist yet */
export async function ownPrograms(root: string, names: readonly string[]): Promise<void> {
  for (const name of FOLDERS) await mkdir(join(root, name), { recursive: true });
  for (const name of TOP) {
    if (!(await lstat(`/${name}`)).isSymbolicLink()) continue;
    const target = await readlink(`/${name}`);
    await mkdir(join(root, target), { recursive: true });
    await symlink(target, join(root, name));
  }
  await writeFile(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  await writeFile(join(root, "etc/group"), "root:x:0:\n");
  const programs = await Promise.all(
    names.map(
      async (name) =>
        (isAbsolute(name) ? name : await findTool(name)) ?? assert.fail(`${name} is not installed`),
    ),
  );
  for (const path of new Set([...programs, ...(await librariesOf(programs))])) await ownFile(root, path);
}

/** One more file of the host's, with what a link leads to in its place. */
export async function ownFile(root: string, path: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await cp(path, join(root, path), { dereference: true });
}

async function librariesOf(programs: readonly string[]): Promise<string[]> {
  const { stdout } = await run("ldd", [...programs]);
  return [...stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].flatMap(([, path]) => path ?? []);
}
