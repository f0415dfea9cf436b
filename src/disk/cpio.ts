/** Writes cpio archives in the "newc" form that the kernel unpacks as initramfs. Equal entries give equal bytes. */

export type CpioEntry =
  | { readonly type: "directory"; readonly path: string; readonly mode?: number }
  | { readonly type: "file"; readonly path: string; readonly mode?: number; readonly content: Uint8Array }
  | {
      readonly type: "character";
      readonly path: string;
      readonly mode?: number;
      readonly major: number;
      readonly minor: number;
    };

const TYPE = { directory: 0o040000, file: 0o100000, character: 0o020000 } as const;
const MODE = { directory: 0o755, file: 0o644, character: 0o600 } as const;
const MAX_FIELD = 0xffffffff;

/** An archive of the entries, owned by root, with time 0. Paths are relative to the root ("dev/console"). */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  entries.forEach((entry, index) => {
    const content = entry.type === "file" ? entry.content : new Uint8Array();
    const device = entry.type === "character" ? ([entry.major, entry.minor] as const) : ([0, 0] as const);
    parts.push(
      header({
        inode: index + 1,
        mode: TYPE[entry.type] | (entry.mode ?? MODE[entry.type]),
        links: entry.type === "directory" ? 2 : 1,
        size: content.length,
        device,
        path: entry.path,
      }),
      padded(Buffer.from(content.buffer, content.byteOffset, content.byteLength)),
    );
  });
  parts.push(header({ inode: 0, mode: 0, links: 1, size: 0, device: [0, 0], path: "TRAILER!!!" }));
  return Buffer.concat(parts);
}

function header(of: {
  inode: number;
  mode: number;
  links: number;
  size: number;
  device: readonly [number, number];
  path: string;
}): Buffer {
  const name = Buffer.from(`${of.path}\0`);
  const owner = 0;
  const time = 0;
  const checksum = 0;
  const fields = [
    of.inode,
    of.mode,
    owner,
    owner,
    of.links,
    time,
    of.size,
    0,
    0,
    ...of.device,
    name.length,
    checksum,
  ];
  if (fields.some((field) => field > MAX_FIELD)) throw new RangeError("too large for a cpio archive");
  const text = fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  return padded(Buffer.concat([Buffer.from(`070701${text}`, "latin1"), name]));
}

/** Filled up to a multiple of four bytes. */
function padded(bytes: Buffer): Buffer {
  const rest = bytes.length % 4;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - rest)]);
}
