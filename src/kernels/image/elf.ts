/** What an uncompressed kernel tells about itself. Every offset in it is checked: it may be anybody's file. */
import type { FileHandle } from "node:fs/promises";

const ELF64_LITTLE = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
/** Offsets and sizes of the ELF header and of a program header (64 bits). */
const HEADER = { size: 64, table: 32, entrySize: 54, entries: 56 };
const ENTRY = { size: 56, offset: 8, fileSize: 32 };
const MAX_ENTRIES = 64;
const NOTE = 4;
const MAX_NOTES = 64 * 1024;
/** XEN_ELFNOTE_PHYS32_ENTRY: where a hypervisor enters the kernel directly (PVH). */
const PVH_ENTRY = 18;

/** Pure. */
export const isElf = (bytes: Buffer): boolean => bytes.subarray(0, ELF64_LITTLE.length).equals(ELF64_LITTLE);

/** Whether QEMU can enter this ELF kernel directly: it has a PVH entry. Reads its headers and notes only. */
export async function hasPvhEntry(file: FileHandle): Promise<boolean> {
  const header = await readAt(file, 0n, HEADER.size);
  if (header.length < HEADER.size || !isElf(header)) return false;
  const entries = header.readUInt16LE(HEADER.entries);
  if (header.readUInt16LE(HEADER.entrySize) !== ENTRY.size || entries > MAX_ENTRIES) return false;
  const table = await readAt(file, header.readBigUInt64LE(HEADER.table), entries * ENTRY.size);
  for (let at = 0; at + ENTRY.size <= table.length; at += ENTRY.size) {
    const length = table.readBigUInt64LE(at + ENTRY.fileSize);
    if (table.readUInt32LE(at) !== NOTE || length > MAX_NOTES) continue;
    if (holdsPvhNote(await readAt(file, table.readBigUInt64LE(at + ENTRY.offset), Number(length))))
      return true;
  }
  return false;
}

async function readAt(file: FileHandle, offset: bigint, length: number): Promise<Buffer> {
  if (offset > BigInt(Number.MAX_SAFE_INTEGER) || length === 0) return Buffer.alloc(0);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, Number(offset));
  return buffer.subarray(0, bytesRead);
}

const aligned = (size: number) => Math.ceil(size / 4) * 4;

/** Each note: sizes of name and content, type, then both, padded to four bytes. Pure. */
function holdsPvhNote(notes: Buffer): boolean {
  for (let at = 0; at + 12 <= notes.length; ) {
    const name = notes.readUInt32LE(at);
    const content = notes.readUInt32LE(at + 4);
    if (
      notes.readUInt32LE(at + 8) === PVH_ENTRY &&
      notes.toString("latin1", at + 12, at + 12 + name) === "Xen\0"
    )
      return true;
    at += 12 + aligned(name) + aligned(content);
  }
  return false;
}
