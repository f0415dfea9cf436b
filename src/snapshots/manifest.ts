/** manifest.json of a snapshot: what it is of, what it needs, what it consists of. May come from another host (`vm snapshot import`). */
import { z } from "zod";

const hex = z.string().regex(/^[0-9a-f]{64}$/);
const name = z.string().max(600);
const vmName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/);
const size = z.number().int().nonnegative();

/** The state disk. */
export const DISK = "state.ext4";
/** Folder of what the driver saved of memory and devices. */
export const MEMORY = "memory";
/** Names of files that a snapshot can have. */
export const FILE_NAME = /^(state\.ext4|memory\/[a-z][a-z0-9._-]{0,63})$/;

const File = z.strictObject({
  name: z.string().regex(FILE_NAME),
  size,
  /** `contentDigest` of it. */
  digest: hex,
});

/** A machine that goes on where it was is particular about where it does. */
const SavedMachine = z.strictObject({
  /** The monitor's version. */
  version: z.string().max(100),
  accelerator: z.enum(["kvm", "tcg"]),
  /** The host's processor. */
  processor: z.string().max(200),
  /** `DriverStatus.counterKhz`: its guest goes on counting so. Snapshots of before have a guest that counts ticks. */
  counterKhz: z.number().int().min(1).max(1e8).nullable().default(null),
});

export const Manifest = z.strictObject({
  layout: z.literal(1),
  id: z.string().regex(/^sn-[0-9a-z]{10}$/),
  name: vmName,
  createdAt: z.iso.datetime(),
  /** The VM that it was made of. */
  vm: z.strictObject({ id: z.string().max(40), name: vmName }),
  /** The snapshot that this VM was made of. */
  parent: z.string().max(63).nullable(),
  image: z.strictObject({ name, digest: hex }),
  kernel: z.strictObject({ name, digest: hex, release: name }),
  driver: z.string().max(40),
  vcpu: z.number().int().min(1).max(288),
  memoryMib: z
    .number()
    .int()
    .min(1)
    .max(1 << 24),
  diskBytes: z
    .number()
    .int()
    .min(1)
    .max(2 ** 50),
  nested: z.boolean(),
  nat: z.boolean(),
  /** Null for the disk of a VM that did not run. */
  machine: SavedMachine.nullable(),
  /** How long the VM stood still for it, in milliseconds. */
  stoodStillMs: size,
  files: z.array(File).min(1).max(9),
});

export type Manifest = Readonly<z.infer<typeof Manifest>>;
export type SnapshotFile = Manifest["files"][number];

/** Whether the files are those that a snapshot of this kind has, each once. Pure. */
export function isComplete({ files, machine, diskBytes }: Manifest): boolean {
  const names = files.map((file) => file.name);
  const disk = files.find((file) => file.name === DISK);
  return (
    new Set(names).size === names.length &&
    disk?.size === diskBytes &&
    names.some((file) => file !== DISK) === (machine !== null)
  );
}
