/** Two file trees compared, path by path: type, mode, owner, size, content, attributes, link targets, hard links. */
import { createHash } from "node:crypto";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { run } from "../../src/host/run.ts";

/** One line per path below `root` (and one for itself), sorted; equal trees give equal lines. Times are left out. */
export async function describeTree(root: string): Promise<string[]> {
  const attributes = await attributesOf(root);
  const lines: string[] = [];
  const inodes = new Map<bigint, string>();
  const visit = async (path: string): Promise<void> => {
    const full = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, "latin1")]);
    const info = await lstat(full, { bigint: true });
    const kind = Number(info.mode & 0o170000n).toString(8);
    const facts = [
      kind,
      Number(info.mode & 0o7777n).toString(8),
      `${info.uid}:${info.gid}`,
      attributes.get(path) ?? "",
    ];
    if (info.isSymbolicLink()) facts.push((await readlink(full, "latin1")) as string);
    if (info.isFile()) {
      facts.push(
        `${info.size}`,
        createHash("sha256")
          .update(await readFile(full))
          .digest("hex")
          .slice(0, 16),
      );
      if (info.nlink > 1n) facts.push(`= ${inodes.get(info.ino) ?? path}`);
      if (!inodes.has(info.ino)) inodes.set(info.ino, path);
    }
    lines.push(`${JSON.stringify(path)} ${facts.join(" ")}`);
    if (!info.isDirectory()) return;
    const names = (await readdir(full, "latin1")).sort();
    for (const name of names) await visit(path === "" ? name : `${path}/${name}`);
  };
  await visit("");
  return lines;
}

/** Extended attributes of every path that has some; getfattr(1) reads those of symlinks themselves. */
async function attributesOf(root: string): Promise<Map<string, string>> {
  const { stdout } = await run("getfattr", ["-R", "-P", "-h", "-d", "-m", "-", "-e", "hex", "."], {
    cwd: root,
  });
  const found = new Map<string, string>();
  for (const block of stdout.split("\n\n")) {
    const [heading = "", ...lines] = block.trim().split("\n");
    const name = /^# file: (.*)$/.exec(heading)?.[1];
    if (name === undefined) continue;
    const bytes = name.replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    found.set(bytes === "." ? "" : bytes.replace(/^\.\//, ""), lines.sort().join(","));
  }
  return found;
}

/** The paths that differ, for a message that can be read. */
export function differences(actual: readonly string[], expected: readonly string[]): string[] {
  const [here, wanted] = [new Set(actual), new Set(expected)];
  return [
    ...actual.filter((line) => !wanted.has(line)).map((line) => `+ ${line}`),
    ...expected.filter((line) => !here.has(line)).map((line) => `- ${line}`),
  ];
}
