/**
 * A machine that stands by for the next VM: it has come up from a template, has been through everything that a start is made of, and
 * is paused. The VM that takes it takes over its id and folder and becomes itself as after any warm start, in code that the emulator
 * has translated by then. There is one at most. No record knows it while nobody has claimed it, so that one which outlives its
 * daemon is ended like every monitor of a folder that belongs to no VM (`reconcile.ts`).
 */
import { rm } from "node:fs/promises";
import { MIB } from "../core/units.ts";
import { vmDirectory } from "../host/paths.ts";
import type { VmRecord } from "../store/vms.ts";
import type { VmContext } from "./context.ts";
import type { LiveVm } from "./live-vm.ts";
import type { WarmRequest } from "./warm-build.ts";
import type { WarmTemplate } from "./warm-templates.ts";

/** Whoever has not come by then may be long in coming, and it takes memory. */
const KEPT_MS = 10 * 60_000;
/** So many times a VM's whole memory must be free for another one to wait. */
const ROOM = 2;

/** What a VM must be like to take a machine over. */
export type Kind = Pick<
  VmRecord,
  | "imageName"
  | "imageDigest"
  | "kernelName"
  | "kernelDigest"
  | "driver"
  | "vcpu"
  | "memoryMib"
  | "diskBytes"
  | "nested"
>;

/** What is known of a VM before its image and kernel have been looked up. */
export interface Wish extends Pick<Kind, "vcpu" | "memoryMib" | "diskBytes" | "nested"> {
  readonly image: string;
  /** Absent: the one that comes with the image. */
  readonly kernel: string | undefined;
  readonly driver: string;
}

export interface StandbyMachine {
  /** Of the VM that it will be. */
  readonly id: string;
  readonly kind: Kind;
  /** Of its template (`warmKey`). */
  readonly key: string;
  /** For people. */
  readonly name: string;
  /** Paused; its session is open. */
  readonly live: LiveVm;
}

export interface StandbySurroundings {
  make(request: WarmRequest, template: WarmTemplate, signal: AbortSignal): Promise<StandbyMachine>;
  /** `standby` of config.toml. */
  allowed(): boolean;
}

type Context = Pick<VmContext, "paths" | "vms" | "log" | "forgetConsole">;

export class Standby {
  readonly #context: Context;
  readonly #surroundings: StandbySurroundings;
  #machine: StandbyMachine | null = null;
  /** By id, from the moment that a VM is to be made of it until that VM starts. */
  readonly #claimed = new Map<string, StandbyMachine>();
  #expiry: NodeJS.Timeout | undefined;

  constructor(context: Context, surroundings: StandbySurroundings) {
    this.#context = context;
    this.#surroundings = surroundings;
  }

  /** What stands by, for people; null when nothing does. */
  get name(): string | null {
    return this.#machine?.name ?? null;
  }

  /** Has a machine of a kind stand by, in the place of one of another kind. Never fails: without one VMs start from the template. */
  async prepare(request: WarmRequest, template: WarmTemplate, signal: AbortSignal): Promise<void> {
    const { log } = this.#context;
    if (!this.#surroundings.allowed() || this.#machine?.key === request.key) return;
    await this.drop();
    if (process.availableMemory() < ROOM * request.kind.memoryMib * MIB) return;
    try {
      const machine = await this.#surroundings.make(request, template, signal);
      this.#machine = machine;
      this.#expiry = setTimeout(() => void this.drop(), KEPT_MS).unref();
      void machine.live.exited.then(() => {
        if (this.#machine === machine) void this.drop();
      });
      log.info({ vm: machine.id, name: machine.name }, "a machine stands by");
    } catch (error) {
      if (!signal.aborted) log.warn({ name: request.name, err: error }, "no machine stands by");
    }
  }

  /** The id under which a VM that is wished for is to be made so that it gets the machine; null when there is none for it. */
  claim(wish: Wish): string | null {
    const machine = this.#machine;
    if (!machine || !fits(machine.kind, wish)) return null;
    this.#machine = null;
    clearTimeout(this.#expiry);
    this.#claimed.set(machine.id, machine);
    return machine.id;
  }

  /** The machine that was claimed for a VM, which is just being made. When the VM turned out to be of another kind, the machine and its folder are gone. */
  async confirm(vm: VmRecord): Promise<StandbyMachine | null> {
    const machine = this.#claimed.get(vm.id);
    if (!machine) return null;
    const same = Object.entries(machine.kind).every(([name, value]) => vm[name as keyof Kind] === value);
    if (same) return machine;
    await this.release(vm.id);
    return null;
  }

  /** The machine of a VM that starts, its own from now on; one that is not of its template is gone. */
  async take(id: string, key: string): Promise<StandbyMachine | null> {
    const machine = this.#claimed.get(id);
    if (machine?.key !== key) {
      await this.release(id);
      return null;
    }
    this.#claimed.delete(id);
    return machine;
  }

  /** Ends the machine that was claimed for a VM and not taken; its folder goes unless the VM has one by now. */
  async release(id: string): Promise<void> {
    const machine = this.#claimed.get(id);
    this.#claimed.delete(id);
    if (machine) await this.#end(machine);
  }

  /** Ends the machine that stands by. */
  async drop(): Promise<void> {
    const machine = this.#machine;
    this.#machine = null;
    clearTimeout(this.#expiry);
    if (machine) await this.#end(machine);
  }

  async #end({ id, live }: StandbyMachine): Promise<void> {
    const { paths, vms, forgetConsole } = this.#context;
    await live.kill();
    if (vms.get(id)) {
      vms.update(id, { machine: null });
      return;
    }
    forgetConsole(id);
    await rm(vmDirectory(paths, id), { recursive: true, force: true });
  }
}

/** Pure. */
export function fits(kind: Kind, wish: Wish): boolean {
  return (
    kind.imageName === wish.image &&
    (wish.kernel === undefined || kind.kernelName === wish.kernel) &&
    (wish.driver === "auto" || kind.driver === wish.driver) &&
    kind.vcpu === wish.vcpu &&
    kind.memoryMib === wish.memoryMib &&
    kind.diskBytes === wish.diskBytes &&
    kind.nested === wish.nested
  );
}
