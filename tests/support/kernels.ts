/** Files that look like kernels to whoever only reads them: nothing boots them. */
import { gzipSync } from "node:zlib";

export interface FakeKernel {
  readonly release?: string;
  /** Text of its configuration, carried as CONFIG_IKCONFIG does; null: it carries none. */
  readonly config?: string | null;
  /** Whether it has the note of a PVH entry. */
  readonly pvh?: boolean;
  /** Bytes behind it. */
  readonly more?: Buffer;
}

/** A configuration with what VMs need, all built in. */
export const GOOD_CONFIG = [
  ...["BLK_DEV_INITRD", "BINFMT_ELF", "DEVTMPFS", "TMPFS", "PROC_FS", "SYSFS", "UNIX", "VIRTIO_MMIO"],
  ...["VIRTIO_BLK", "VIRTIO_CONSOLE", "SQUASHFS", "SQUASHFS_LZ4", "EXT4_FS", "OVERLAY_FS"],
]
  .map((name) => `CONFIG_${name}=y\n`)
  .join("");

/** An ELF kernel: header, one program header, a note, banner, configuration. */
export function fakeElf({
  release = "6.1.0-fake",
  config = GOOD_CONFIG,
  pvh = true,
  more,
}: FakeKernel = {}): Buffer {
  const head = Buffer.alloc(64 + 56);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]).copy(head);
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(1, 56);
  // A note that is another one's comes first.
  const notes = Buffer.concat([note("Linux", 1, 6), note("Xen", pvh ? 18 : 3, 4)]);
  head.writeUInt32LE(4, 64);
  head.writeBigUInt64LE(BigInt(head.length), 64 + 8);
  head.writeBigUInt64LE(BigInt(notes.length), 64 + 32);
  const carried = config === null ? "" : gzipSync(config);
  return Buffer.concat([
    head,
    notes,
    Buffer.from("Linux version %s (%s)\n\0"),
    Buffer.from(`Linux version ${release} (banger@fake) (gcc)\0`),
    ...(config === null ? [] : [Buffer.from("IKCFG_ST"), Buffer.from(carried), Buffer.from("IKCFG_ED")]),
    more ?? Buffer.alloc(0),
  ]);
}

function note(name: string, type: number, content: number): Buffer {
  const aligned = (size: number) => Math.ceil(size / 4) * 4;
  const bytes = Buffer.alloc(12 + aligned(name.length + 1) + aligned(content));
  bytes.writeUInt32LE(name.length + 1, 0);
  bytes.writeUInt32LE(content, 4);
  bytes.writeUInt32LE(type, 8);
  bytes.write(name, 12);
  return bytes;
}

/**
 * A bzImage around a compressed kernel: the fields of the boot protocol, the payload, its size behind it.
 * @param unpacked the size that is written, null where the compression has it inside (gzip)
 */
export function bzImage(compressed: Buffer, unpacked: number | null): Buffer {
  const size = Buffer.alloc(unpacked === null ? 0 : 4);
  if (unpacked !== null) size.writeUInt32LE(unpacked);
  const payload = Buffer.concat([compressed, size]);
  const head = Buffer.alloc(1024 + 100);
  head[0x1f1] = 1;
  head.write("HdrS", 0x202, "latin1");
  head.writeUInt16LE(0x20f, 0x206);
  head.writeUInt32LE(100, 0x248);
  head.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([head, payload, Buffer.from("what follows is not the kernel's")]);
}

/** LZ4's legacy framing with literals alone. */
export function literalLz4(content: Buffer): Buffer {
  const rest = content.length - 15;
  const length = [...Array.from({ length: Math.floor(rest / 255) }, () => 255), rest % 255];
  const block = Buffer.concat([Buffer.from([0xf0, ...length]), content]);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184c2102, 0);
  head.writeUInt32LE(block.length, 4);
  return Buffer.concat([head, block]);
}
