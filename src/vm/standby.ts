/**
 * Machines that stand by for the next VMs: each has come up from a template, has been through everything that a start is made of, and
 * is paused. It has an identity of its own by then, on its disk. The VM that takes one takes over its id and folder and is told its name
 * and the time as at any start, in code that the emulator has translated by then. There are as many as the host has memory to spare for,
 * or as were started together lately (`demand.ts`) if that is more, all of one kind. No record knows one while nobody has claimed it, so
 * that one which outlives its daemon is ended like every monitor of a folder that belongs to no VM (`reconcile.ts`).
 */
import { rm } from "node:fs/promises";
import { MIB } from "../core/units.ts";
import { vmDirectory } from "../host/paths.ts";
import type { VmRecord } from "../store/vms.ts";
import type { VmContext } from "./context.ts";
import { Demand } from "./demand.ts";
import type { LiveVm } from "./live-vm.ts";
import type { WarmRequest } from "./warm-build.ts";
import type { WarmTemplate } from "./warm-templates.ts";

/** Whoever has not come by then may be long in coming, and it takes memory. */
const KEPT_MS = 10 * 60_000;
/** So many times a VM's whole memory must be free for another one to wait. */
const ROOM = 2;
/** Bytes that one takes while it waits: QEMU, and the pages of its template that are not zero. */
const TAKES = 200 * MIB;
/** The part of the host's free memory that is taken before anybody has shown to need as many. */
const SPARED = 0.1;

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
  /** See `VmRecord`. */
  readonly borrowed: boolean;
  /** Paused; its session is open. */
  readonly live: LiveVm;
}

export interface StandbySurroundings {
  make(request: WarmRequest, template: WarmTemplate, signal: AbortSignal): Promise<StandbyMachine>;
  /** `standby` of config.toml: how many there may be. */
  most(): number;
  /** Bytes of memory that are free on this host. */
  freeMemory(): number;
}

type Context = Pick<VmContext, "paths" | "vms" | "log" | "forgetConsole">;

export class Standby {
  readonly #context: Context;
  readonly #surroundings: StandbySurroundings;
  readonly #demand = new Demand();
  /** Of one kind, the oldest first; each with what ends it when nobody has come by then. */
  readonly #waiting = new Map<StandbyMachine, NodeJS.Timeout>();
  /** By id, from the moment that a VM is to be made of it until that VM starts. */
  readonly #claimed = new Map<string, StandbyMachine>();

  constructor(context: Context, surroundings: StandbySurroundings) {
    this.#context = context;
    this.#surroundings = surroundings;
  }

  /** What stands by, for people, and how many; null when nothing does. */
  get present(): { readonly name: string; readonly machines: number } | null {
    const [first] = this.#waiting.keys();
    return first ? { name: first.name, machines: this.#waiting.size } : null;
  }

  /** To be told of each VM that starts, by its template's key. */
  started(key: string): void {
    this.#demand.started(key, performance.now());
  }

  /**
   * Brings up one machine more of a kind, if fewer stand by than are wanted; those of another kind go. Never fails: without one VMs start
   * from the template.
   * @returns whether there is one more now; another may be wanted then
   */
  async prepare(request: WarmRequest, template: WarmTemplate, signal: AbortSignal): Promise<boolean> {
    const { log } = this.#context;
    const most = this.#surroundings.most();
    const waiting = [...this.#waiting.keys()];
    const kept = most === 0 ? [] : waiting.filter(({ key }) => key === request.key).slice(-most);
    await this.#endAll(waiting.filter((machine) => !kept.includes(machine)));
    const free = this.#surroundings.freeMemory();
    if (this.#waiting.size >= Math.min(most, this.#wanted(request.key, free))) return false;
    if (free < ROOM * request.kind.memoryMib * MIB) return false;
    try {
      const machine = await this.#surroundings.make(request, template, signal);
      this.#waiting.set(machine, setTimeout(() => void this.#endAll([machine]), KEPT_MS).unref());
      void machine.live.exited.then(() => this.#endAll([machine]));
      log.info({ vm: machine.id, name: machine.name }, "a machine stands by");
      return true;
    } catch (error) {
      if (!signal.aborted) log.warn({ name: request.name, err: error }, "no machine stands by");
      return false;
    }
  }

  /** How many of a kind are to stand by; what those that do already take counts as free. */
  #wanted(key: string, free: number): number {
    const spared = Math.floor((SPARED * (free + this.#waiting.size * TAKES)) / TAKES);
    return Math.max(1, spared, this.#demand.of(key, performance.now()));
  }

  /** The id under which a VM that is wished for is to be made so that it gets a machine; null when there is none for it. */
  claim(wish: Wish): string | null {
    const [machine] = this.#waiting.keys();
    if (!machine || !fits(machine.kind, wish)) return null;
    this.#leave(machine);
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

  /** Ends all that stand by. */
  async drop(): Promise<void> {
    await this.#endAll([...this.#waiting.keys()]);
  }

  /** Ends those of some machines that still wait. Never fails. */
  async #endAll(machines: readonly StandbyMachine[]): Promise<void> {
    const end = (machine: StandbyMachine) =>
      this.#end(machine).catch((err: unknown) =>
        this.#context.log.error({ vm: machine.id, err }, "what is left of a machine that stood by"),
      );
    await Promise.all(machines.filter((machine) => this.#leave(machine)).map(end));
  }

  /** @returns whether it had waited until now */
  #leave(machine: StandbyMachine): boolean {
    clearTimeout(this.#waiting.get(machine));
    return this.#waiting.delete(machine);
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
