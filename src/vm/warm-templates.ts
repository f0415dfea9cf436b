/**
 * The templates that VMs start warm from, in the cache: `<cache>/warm/<key>/{state/, disk.ext4, manifest.json}`. The key is a
 * digest of all that a template is made of, so that one made of anything else is never found.
 */
import { stat, utimes } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { VERSION } from "../core/version.ts";
import { ContentStore } from "../host/content-store.ts";
import { hashParts } from "../host/hash.ts";
import { processor } from "../host/processor.ts";
import type { VmRecord } from "../store/vms.ts";
import type { LaunchSpec } from "../vmm/driver.ts";
import type { Selected } from "../vmm/drivers.ts";

/** Bumped when the same inputs give another template, or the same monitor gets another command line. */
const LAYOUT = 8;

const Manifest = z.object({
  layout: z.literal(LAYOUT),
  name: z.string().max(600),
  madeOf: z.array(z.string().max(64)).max(2),
  createdAt: z.string().max(40),
});
type Manifest = z.infer<typeof Manifest>;

/** What a template is told by. */
export interface Description {
  /** For people: image and sizes. */
  readonly name: string;
  /** Digests of its image and kernel. */
  readonly madeOf: readonly string[];
}

/** A template on disk; its files are read only. */
export interface WarmTemplate {
  /** As `Machine.saveState` wrote it. */
  readonly state: string;
  readonly disk: string;
}

/** Where a template's parts are in its folder. */
export const templateIn = (folder: string): WarmTemplate => ({
  state: join(folder, "state"),
  disk: join(folder, "disk.ext4"),
});

/**
 * The key of the template that a VM can start from: everything that shows in a guest that has just come up, and everything that
 * its monitor must be equal in. What the VM is told when it starts (name, network, environment) is no part of it. Pure but for the host's processor.
 * @param status of the driver: without a tap a guest has no network interface, and can get none later
 * @param publicKey that opens guests: another one must not find the former one's guests
 */
export function warmKey(
  vm: VmRecord,
  spec: LaunchSpec,
  { status, publicKey }: { readonly status: Selected["status"]; readonly publicKey: string | null },
): string {
  const parts = {
    layout: LAYOUT,
    banger: VERSION,
    image: vm.imageDigest,
    kernel: vm.kernelDigest,
    initramfs: basename(spec.initramfs), // named by the digest of agent and modules
    arguments: spec.kernelArgs.join(" "),
    monitor: `${vm.driver} ${status.version} ${spec.accelerator}`,
    lacks: Object.keys(status.lacks ?? {}).join(" "),
    processor: processor(),
    counter: status.counterKhz,
    vcpu: vm.vcpu,
    memory: vm.memoryMib,
    disk: vm.diskBytes,
    nested: vm.nested,
    publicKey,
  };
  return hashParts(Object.entries(parts).map(([name, value]) => [name, String(value)] as const));
}

export class WarmTemplates {
  readonly #store: ContentStore<Manifest>;

  constructor(cache: string) {
    this.#store = new ContentStore(join(cache, "warm"), (json) => Manifest.safeParse(json).data ?? null);
  }

  async has(key: string): Promise<boolean> {
    return (await this.#store.get(key)) !== null;
  }

  /** The template of a key, marked as used now; null when there is none. */
  async take(key: string): Promise<WarmTemplate | null> {
    if (!(await this.has(key))) return null;
    const now = new Date();
    await utimes(this.#store.path(key), now, now).catch(() => {}); // only the order of eviction goes by it
    return templateIn(this.#store.path(key));
  }

  /** Folders in which templates are being made, or were when a daemon died. */
  unfinished(): Promise<string[]> {
    return this.#store.unfinished();
  }

  /** Has `make` fill a folder with a template's parts, and keeps them. When it fails nothing is left. */
  async add(
    key: string,
    { name, madeOf }: Description,
    make: (folder: string) => Promise<void>,
  ): Promise<void> {
    await this.#store.add(async (folder) => {
      await make(folder);
      const createdAt = new Date().toISOString();
      return { digest: key, manifest: { layout: LAYOUT, name, madeOf: [...madeOf], createdAt } };
    });
  }

  async remove(key: string): Promise<void> {
    await this.#store.remove(key);
  }

  /** Removes all that are made of an image or kernel. */
  async removeOf(digest: string): Promise<void> {
    for (const [key, { madeOf }] of await this.#store.list()) {
      if (madeOf.includes(digest)) await this.#store.remove(key);
    }
  }

  /** Removes templates until they take at most `limit` bytes, those first that were used longest ago. @returns what is left */
  async trim(limit: number): Promise<ReadonlySet<string>> {
    const parts = await Promise.all(
      (await this.#store.parts()).map(async ({ digest, bytes }) => {
        const used = await stat(this.#store.path(digest)).catch(() => null);
        return { digest, bytes, used: used?.mtimeMs ?? 0 };
      }),
    );
    parts.sort((a, b) => b.used - a.used);
    const kept = new Set<string>();
    let sum = 0;
    for (const { digest, bytes } of parts) {
      sum += bytes;
      if (sum <= limit) kept.add(digest);
      else await this.#store.remove(digest);
    }
    return kept;
  }
}
