/** manifest.json of an image on this host. */
import { z } from "zod";

const hex = z.string().regex(/^[0-9a-f]{64}$/);
const words = z.array(z.string().max(65_536)).max(1000);

/** What an image wants to be run as. The names are the guest's own and mean something only there. */
const RunSettings = z.object({
  /** `name`, `uid`, `name:group` or `uid:gid`; empty: root. */
  user: z.string().max(256),
  /** Empty: the user's home. */
  workingDirectory: z.string().max(4096),
  entrypoint: words,
  command: words,
});
export type RunSettings = Readonly<z.infer<typeof RunSettings>>;

export const NO_SETTINGS: RunSettings = { user: "", workingDirectory: "", entrypoint: [], command: [] };

/** A file of this host that is used in place, and what it looked like when its digest was taken. */
const HostFile = z.object({
  path: z.string().startsWith("/").max(4096),
  sha256: hex,
  sizeBytes: z.number().int().nonnegative(),
  inode: z.string().max(20),
  mtimeNs: z.string().max(24),
});
export type HostFile = Readonly<z.infer<typeof HostFile>>;

export const Manifest = z.object({
  layout: z.literal(1),
  /** The name that it was first obtained under. */
  name: z.string().max(600),
  digest: hex,
  description: z.string().max(200),
  source: z.enum(["recipe", "registry", "import", "catalog", "registered"]),
  /** Where it is from: for a registry's image the digest that its name stood for, for a catalog's the sha256 of its bundle. */
  origin: z.string().max(600).default(""),
  init: z.string().startsWith("/").max(4096).nullable(),
  env: z.record(z.string(), z.string()),
  run: RunSettings.default(NO_SETTINGS),
  /** The kernel that a catalog's image is made for; null: any. */
  kernel: z.string().max(64).nullable().default(null),
  /** Of an image that was registered and not promoted; the store holds no copy of it. */
  file: HostFile.nullable().default(null),
  sizeBytes: z.number().int().nonnegative(),
  createdAt: z.string().max(40),
});
export type Manifest = z.infer<typeof Manifest>;

/** An image that VMs can be made from; its files never change. */
export interface Image extends Readonly<Omit<Manifest, "layout">> {
  /** Path of the read-only root filesystem (squashfs). */
  readonly rootfs: string;
}
