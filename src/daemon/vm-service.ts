/** The VM operations that the API offers: each checks first, then starts an operation. */

import type {
  CreateVm,
  KillVm,
  Operation,
  PrepareWorkspace,
  RestartVm,
  SetVm,
  StartVm,
  Vm,
} from "../api/schemas.ts";
import type { Config } from "../core/config.ts";
import { BangerError } from "../core/errors.ts";
import { checkName } from "../core/ids.ts";
import type { Work } from "../core/stage.ts";
import { formatDuration } from "../core/units.ts";
import type { GuestSession } from "../guest/index.ts";
import { hostSize } from "../host/vm-defaults.ts";
import type { RunSettings } from "../images/manifest.ts";
import type { VmRecord } from "../store/vms.ts";
import type { VmContext } from "../vm/context.ts";
import { type CreateRequest, checkFitsHost, createVm, newVmId } from "../vm/create.ts";
import type { Why } from "../vm/deadlines.ts";
import { deleteVm } from "../vm/delete.ts";
import { killVm } from "../vm/kill.ts";
import type { LiveVm } from "../vm/live-vm.ts";
import { findVm } from "../vm/lookup.ts";
import { pauseVm, resumeVm } from "../vm/pause.ts";
import { settingsToChange, setVm } from "../vm/settings.ts";
import type { Wish } from "../vm/standby.ts";
import { startVm } from "../vm/start.ts";
import { requireState, wrongState } from "../vm/states.ts";
import { DEFAULT_STOP_MS, stopVm } from "../vm/stop.ts";
import { requireFeatures } from "../vmm/features.ts";
import { describeVm } from "./describe-vm.ts";
import type { Leases } from "./leases.ts";
import type { Operations } from "./operations.ts";
import { mappingsOf } from "./publish.ts";
import { rateOf } from "./rates.ts";
import type { WorkspaceService } from "./workspace-service.ts";

export class VmService {
  readonly #context: VmContext;
  readonly #operations: Operations;
  readonly #leases: Leases;
  readonly #workspaces: WorkspaceService;

  constructor(context: VmContext, operations: Operations, leases: Leases, workspaces: WorkspaceService) {
    this.#context = context;
    this.#operations = operations;
    this.#leases = leases;
    this.#workspaces = workspaces;
  }

  async list(): Promise<Vm[]> {
    return Promise.all(this.#context.vms.list().map((record) => describeVm(this.#context, record)));
  }

  async get(ref: string): Promise<Vm> {
    return describeVm(this.#context, this.find(ref));
  }

  /** @throws vm_not_found | vm_ambiguous */
  find(ref: string): VmRecord {
    return findVm(this.#context.vms.list(), ref);
  }

  /** The agent session of a running VM. @throws vm_not_found | vm_wrong_state | guest_unreachable */
  async guest(ref: string): Promise<GuestSession> {
    return this.#live(this.#inState(ref, ["running"], "running")).guest();
  }

  /** What the VM's image wants to be run as. @throws vm_not_found | image_not_found */
  async runSettings(ref: string): Promise<RunSettings> {
    return (await this.#context.images.get(this.find(ref).imageDigest)).run;
  }

  /** Resident memory of a running VM's monitor in bytes; 0 when it does not run. */
  async residentBytes(ref: string): Promise<number> {
    return (await this.#context.live.get(this.find(ref).id)?.machine.residentBytes()) ?? 0;
  }

  create(request: CreateVm): Operation {
    const { vms } = this.#context;
    if (request.name !== undefined) checkName(request.name);
    checkFitsHost({ vcpu: request.vcpu, memoryMib: request.memory_mib }, hostSize());
    if (request.name !== undefined && vms.hasName(request.name))
      throw BangerError.of("vm_name_taken", { name: request.name });

    const publish = mappingsOf(request.publish);
    const diskRate = rateOf(request.disk_rate ?? null, "disk_rate");
    const netRate = rateOf(request.net_rate ?? null, "net_rate");
    const id = this.#claimStandby(request) ?? newVmId();
    return this.underLease(request.lease, id, () =>
      this.#startCreation(id, request, { publish, diskRate, netRate }),
    );
  }

  /** Starts the making of a VM; when the lease ends it is undone if it is under way, and a VM that was to be removed goes. */
  underLease(lease: string | undefined, id: string, start: () => Operation): Operation {
    let operation: Operation | null = null;
    if (lease) {
      this.#leases.attach(lease, async () => {
        if (operation) await this.#operations.cancel(operation.id);
        if (this.#context.vms.get(id)?.autoRemove) await this.#removeNow(id);
      });
    }
    operation = start();
    return operation;
  }

  #startCreation(
    id: string,
    request: CreateVm,
    checked: Pick<CreateRequest, "publish" | "diskRate" | "netRate">,
  ): Operation {
    return this.#operations.start("create", id, (work) =>
      this.#create(id, request, checked, work).finally(() => this.#context.standby.release(id)),
    );
  }

  async #create(
    id: string,
    request: CreateVm,
    checked: Pick<CreateRequest, "publish" | "diskRate" | "netRate">,
    work: Work,
  ): Promise<void> {
    const config = await this.#context.readConfig();
    const record = await createVm(
      this.#context,
      {
        id,
        name: request.name,
        ...wishOf(request, config),
        nat: request.nat ?? false,
        ...checked,
        autoRemove: request.auto_remove ?? false,
        ttlMs: request.ttl_ms ?? null,
      },
      work,
    );
    if (request.start === false) this.#context.ports.close(id);
    else await this.#firstStart(record, request, work);
    if (request.workspace) await this.#firstPrepare(record, request.workspace, work);
  }

  /** The id of the machine that stands by, when the VM can be made of it. */
  #claimStandby(request: CreateVm): string | null {
    const { cold = false, start = true, disk_rate = null, net_rate = null } = request;
    if (!start || cold || disk_rate !== null || net_rate !== null) return null;
    const { config, standby } = this.#context;
    return standby.claim(wishOf(request, config));
  }

  start(ref: string, { wait = "agent", cold = false }: StartVm): Operation {
    const vm = this.#inState(ref, ["stopped", "error"], "stopped");
    return this.#operations.start("start", vm.id, (work) =>
      this.#context.busy.hold(vm, "start", () => startVm(this.#context, vm, { wait, cold }, work)),
    );
  }

  stop(ref: string, timeoutMs: number = DEFAULT_STOP_MS): Operation {
    const vm = this.#inState(ref, ["running", "paused", "stopped", "error"], "running");
    return this.#operations.start("stop", vm.id, (work) =>
      this.#context.busy.hold(vm, "stop", () => stopVm(this.#context, vm, timeoutMs, work)),
    );
  }

  /** Ends a VM whose time is up: one that was to be removed goes, any other is stopped and says why. */
  endAtDeadline(vm: VmRecord, why: Why): void {
    if (vm.autoRemove) {
      this.delete(vm.id);
      return;
    }
    const reason =
      why === "ttl"
        ? `its lifetime was over (--ttl ${formatDuration(vm.ttlMs ?? 0)})`
        : `idle for ${formatDuration(this.#context.config.auto_stop_after)} (auto_stop_after)`;
    this.#operations.start("stop", vm.id, (work) =>
      this.#context.busy.hold(vm, "stop", () => stopVm(this.#context, vm, DEFAULT_STOP_MS, work, reason)),
    );
  }

  /** Has a running VM stand still in memory. One that does already stays so. */
  pause(ref: string): Operation {
    const vm = this.#inState(ref, ["running", "paused"], "running");
    const live = this.#live(vm);
    requireFeatures(this.#context.drivers.byName(vm.driver), ["pause"]);
    return this.#operations.start("pause", vm.id, (work) =>
      this.#context.busy.hold(vm, "pause", () => pauseVm(this.#context, vm, live, work)),
    );
  }

  /** Lets a paused VM go on. One that runs is left alone. */
  resume(ref: string): Operation {
    const vm = this.#inState(ref, ["paused", "running"], "paused");
    const live = this.#live(vm);
    return this.#operations.start("resume", vm.id, (work) =>
      this.#context.busy.hold(vm, "resume", () => resumeVm(this.#context, vm, live, work)),
    );
  }

  /** Stops a VM if it runs, and starts it. */
  restart(ref: string, { timeout_ms = DEFAULT_STOP_MS, wait = "agent" }: RestartVm): Operation {
    const vm = this.#inState(ref, ["running", "paused", "stopped", "error"], "running");
    return this.#operations.start("restart", vm.id, (work) =>
      this.#context.busy.hold(vm, "restart", async () => {
        await stopVm(this.#context, vm, timeout_ms, work);
        work.signal.throwIfAborted();
        await startVm(this.#context, vm, { wait }, work);
      }),
    );
  }

  /** Kills a VM's monitor whoever works with it: what waits for the guest then ends too. */
  kill(ref: string, { signal = "KILL" }: KillVm): Operation {
    const vm = this.find(ref);
    const live = this.#live(vm);
    return this.#operations.start("kill", vm.id, async (work) => {
      await killVm(live, vm.name, signal, work);
      await this.#context.busy.idle(vm.id);
    });
  }

  /** Changes a VM's name and sizes. */
  set(ref: string, { name, vcpu, memory_mib, disk_bytes, nat, disk_rate, net_rate }: SetVm): Operation {
    const vm = this.find(ref);
    const settings = {
      ...(name !== undefined && { name }),
      ...(vcpu !== undefined && { vcpu }),
      ...(memory_mib !== undefined && { memoryMib: memory_mib }),
      ...(disk_bytes !== undefined && { diskBytes: disk_bytes }),
      ...(nat !== undefined && { nat }),
      ...(disk_rate !== undefined && { diskRate: rateOf(disk_rate, "disk_rate") }),
      ...(net_rate !== undefined && { netRate: rateOf(net_rate, "net_rate") }),
    };
    const change = settingsToChange(vm, settings, hostSize());
    if (change.name !== undefined && this.#context.vms.hasName(change.name))
      throw BangerError.of("vm_name_taken", { name: change.name });
    return this.#operations.start("set", vm.id, (work) =>
      this.#context.busy.hold(vm, "set", () => setVm(this.#context, vm, change, work)),
    );
  }

  /** Deletes a VM in any state. An operation that holds it is cancelled first. */
  delete(ref: string): Operation {
    const vm = this.find(ref);
    return this.#operations.start("delete", vm.id, async (work) => {
      await this.#cancelOthers(vm.id);
      await this.#context.busy.hold(vm, "delete", () => deleteVm(this.#context, vm, work));
    });
  }

  /** Deletes a VM that neither runs nor is about to. */
  deleteResting(ref: string): Operation {
    const vm = this.#inState(ref, ["stopped", "error"], "stopped");
    return this.#operations.start("delete", vm.id, (work) =>
      this.#context.busy.hold(vm, "delete", () => deleteVm(this.#context, vm, work)),
    );
  }

  /** A boot that fails keeps the VM, even with --rm, so that its console can be read; a cancelled creation leaves nothing. */
  async #firstStart(record: VmRecord, { wait = "agent", cold = false }: CreateVm, work: Work): Promise<void> {
    try {
      await this.#context.busy.hold(record, "start", () =>
        startVm(this.#context, record, { wait, cold }, work),
      );
    } catch (error) {
      if (work.signal.aborted) await deleteVm(this.#context, record, work);
      else this.#context.vms.update(record.id, { autoRemove: false });
      throw error;
    }
  }

  /** A VM without the repository that it was made for is of no use. */
  async #firstPrepare(record: VmRecord, request: PrepareWorkspace, work: Work): Promise<void> {
    try {
      const session = await this.guest(record.id);
      await this.#context.busy.hold(record, "workspace prepare", () =>
        this.#workspaces.prepare(record, session, request, work),
      );
    } catch (error) {
      await deleteVm(this.#context, record, work);
      throw error;
    }
  }

  async #removeNow(id: string): Promise<void> {
    const operation = this.delete(id);
    await new Promise<void>((resolve) => {
      this.#operations.follow(operation.id, (event) => event.type === "end" && resolve());
    });
  }

  async #cancelOthers(id: string): Promise<void> {
    const others = this.#operations
      .list()
      .filter((o) => o.target === id && o.state === "running" && o.kind !== "delete");
    await Promise.all(others.map((other) => this.#operations.cancel(other.id)));
    await this.#context.busy.idle(id);
  }

  #inState(ref: string, states: readonly Vm["state"][], wanted: "running" | "stopped" | "paused"): VmRecord {
    const vm = this.find(ref);
    requireState(vm, states, wanted);
    return vm;
  }

  #live(vm: VmRecord): LiveVm {
    const live = this.#context.live.get(vm.id);
    if (!live) throw wrongState(vm, "running");
    return live;
  }
}

/** What of a request says which machine is asked for, with what holds where it says nothing. */
function wishOf(request: CreateVm, config: Config): Wish {
  return {
    image: request.image ?? config.default_image,
    kernel: request.kernel,
    driver: request.driver ?? config.driver,
    vcpu: request.vcpu,
    memoryMib: request.memory_mib,
    diskBytes: request.disk_bytes,
    nested: request.nested ?? false,
  };
}
