/** Trees of files for copies: one of everything that is kept, and all that can be seen of it. */
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** A name that is not UTF-8, with a line feed in it. */
const ODD = Buffer.from([0xff, 0x0a, 0x20, 0x2d, 0xc3]);
export const SPARSE_SIZE = 1_000_000_000;

export function makeTree(at: string): void {
  mkdirSync(join(at, "deep/er"), { recursive: true });
  writeFileSync(join(at, "deep/er/file"), "content\n", { mode: 0o640 });
  writeFileSync(join(at, "empty"), "");
  writeFileSync(join(at, "new\nline"), "n");
  writeFileSync(Buffer.concat([Buffer.from(`${at}/`), ODD]), "odd");
  writeFileSync(join(at, "x".repeat(200)), "long");
  writeFileSync(join(at, "big"), Buffer.alloc(700_001, "abcdefg"));
  chmodSync(join(at, "big"), 0o755);
  linkSync(join(at, "big"), join(at, "deep/again"));
  symlinkSync("/etc/passwd", join(at, "link"));
  symlinkSync(`${"y/".repeat(80)}z`, join(at, "long-link"));
  const sparse = openSync(join(at, "sparse"), "w");
  writeSync(sparse, "middle", 5_000_000);
  ftruncateSync(sparse, SPARSE_SIZE);
  closeSync(sparse);
  mkdirSync(join(at, "closed"), { mode: 0o700 });
  writeFileSync(join(at, "closed/inside"), "i");
  utimesSync(join(at, "deep/er/file"), 1_600_000_000.25, 1_600_000_000.25);
  lutimesSync(join(at, "link"), 1_500_000_000, 1_500_000_000);
  chmodSync(join(at, "closed"), 0o555);
  utimesSync(join(at, "deep/er"), 1_400_000_000, 1_400_000_000);
}

/** All that can be seen of a tree; times to the microsecond. */
export function describeTree(at: string): string[] {
  const lines: string[] = [];
  const visit = (path: Buffer, name: string) => {
    const stat = lstatSync(path, { bigint: true });
    const what = stat.isSymbolicLink()
      ? readlinkSync(path)
      : stat.isFile() && stat.size < 1_000_000n
        ? readFileSync(path, "latin1").slice(0, 100)
        : "";
    const size = stat.isFile() ? stat.size : "";
    const links = stat.isFile() ? stat.nlink : "";
    const time = name === "" ? "" : stat.mtimeNs / 1000n;
    lines.push([name, (stat.mode & 0o170777n).toString(8), size, links, time, what].join("|"));
    if (!stat.isDirectory()) return;
    for (const child of readdirSync(path, { encoding: "buffer" }).sort(Buffer.compare))
      visit(Buffer.concat([path, Buffer.from("/"), child]), `${name}/${child.toString("latin1")}`);
  };
  visit(Buffer.from(at), "");
  return lines;
}
