/** Snapshots as operations: each checks first, then starts. */
import type {
  CreateSnapshot,
  ForkVm,
  ImportSnapshot,
  Operation,
  RestoreSnapshot,
  Snapshot,
} from "../api/schemas.ts";
import { BangerError } from "../core/errors.ts";
import { checkName, newId } from "../core/ids.ts";
import { hostSize } from "../host/vm-defaults.ts";
import { exportSnapshot, unpackSnapshot } from "../snapshots/archive.ts";
import { verifyFiles } from "../snapshots/files.ts";
import type { Manifest } from "../snapshots/manifest.ts";
import type { VmRecord } from "../store/vms.ts";
import type { VmContext } from "../vm/context.ts";
import { checkFitsHost, newVmId } from "../vm/create.ts";
import { forkVm } from "../vm/fork.ts";
import { forkNames } from "../vm/fork-names.ts";
import { restoreVm } from "../vm/restore.ts";
import { snapshotVm } from "../vm/snapshot.ts";
import { requireState } from "../vm/states.ts";
import type { Operations } from "./operations.ts";
import { mappingsOf } from "./publish.ts";
import type { VmService } from "./vm-service.ts";

export class SnapshotService {
  readonly #context: VmContext;
  readonly #operations: Operations;

  constructor(context: VmContext, operations: Operations) {
    this.#context = context;
    this.#operations = operations;
  }

  list(): Promise<Snapshot[]> {
    return Promise.all(this.#context.snapshots.list().map((manifest) => this.#describe(manifest)));
  }

  /** @throws snapshot_not_found */
  get(ref: string): Promise<Snapshot> {
    return this.#describe(this.#context.snapshots.find(ref));
  }

  create(vm: VmRecord, { name = defaultName(vm.name) }: CreateSnapshot): Operation {
    checkName(name);
    requireState(vm, ["running", "paused", "stopped"], "running or stopped");
    this.#context.snapshots.requireFree(name);
    return this.#operations.start("snapshot_create", vm.id, (work) =>
      this.#context.busy.hold(vm, "snapshot create", async () => {
        const { id } = await snapshotVm(this.#context, vm, name, work);
        return { snapshot: id };
      }),
    );
  }

  /** Makes a VM of a snapshot. @param vms ends it with its lease */
  restore(ref: string, request: RestoreSnapshot, vms: VmService): Operation {
    const manifest = this.#context.snapshots.find(ref);
    const { name, wait = "agent", auto_remove = false, ttl_ms = null, lease } = request;
    if (name !== undefined) checkName(name);
    if (name !== undefined && this.#context.vms.hasName(name))
      throw BangerError.of("vm_name_taken", { name });
    const id = newVmId();
    const publish = mappingsOf(request.publish);
    const copy = { id, name, publish, autoRemove: auto_remove, ttlMs: ttl_ms, wait };
    return vms.underLease(lease, id, () =>
      this.#operations.start("restore", id, async (work) => {
        await restoreVm(this.#context, manifest, copy, work);
      }),
    );
  }

  fork(vm: VmRecord, { count = 1, name, wait = "agent" }: ForkVm): Operation {
    requireState(vm, ["running", "paused"], "running");
    checkFitsHost({ vcpu: vm.vcpu, memoryMib: vm.memoryMib * count }, hostSize());
    const hasName = (candidate: string) => this.#context.vms.hasName(candidate);
    const names = forkNames(vm.name, name, count, hasName);
    const taken = names.find(hasName);
    if (taken !== undefined) throw BangerError.of("vm_name_taken", { name: taken });
    const requests = names.map((name) => ({
      id: newVmId(),
      name,
      publish: [],
      autoRemove: false,
      ttlMs: vm.ttlMs,
      wait,
    }));
    return this.#operations.start("fork", vm.id, (work) =>
      this.#context.busy.hold(vm, "fork", async () => {
        if (vm.publish.length > 0)
          work.report.notice(`the published ports stay ${vm.name}'s; its copies have none`);
        return { vms: (await forkVm(this.#context, vm, requests, work)).map((copy) => copy.id) };
      }),
    );
  }

  async delete(ref: string): Promise<void> {
    await this.#context.snapshots.remove(this.#context.snapshots.find(ref));
  }

  export(ref: string, path: string): Operation {
    const { snapshots } = this.#context;
    const manifest = snapshots.find(ref);
    return this.#operations.start("snapshot_export", manifest.name, (work) =>
      snapshots.use(manifest, async () => {
        await verifyFiles(manifest, snapshots.path(manifest.id), work);
        await exportSnapshot(manifest, snapshots.path(manifest.id), path, work);
      }),
    );
  }

  import({ path, name }: ImportSnapshot): Operation {
    const { snapshots } = this.#context;
    if (name !== undefined) {
      checkName(name);
      snapshots.requireFree(name);
    }
    return this.#operations.start("snapshot_import", path, async (work) => {
      const { id } = await snapshots.add(name ?? null, async (folder) => {
        work.report.stage("unpacking", path);
        const manifest = await unpackSnapshot(path, folder, work);
        const named = { ...manifest, id: newId("sn"), name: name ?? manifest.name };
        if (name === undefined) snapshots.requireFree(checkName(named.name));
        await verifyFiles(named, folder, work);
        return named;
      });
      return { snapshot: id };
    });
  }

  async #describe(manifest: Manifest): Promise<Snapshot> {
    const { id, name, vm, parent, image, kernel, driver, machine, vcpu, nested, nat, files } = manifest;
    return {
      id,
      name,
      kind: machine ? "memory" : "disk",
      created_at: manifest.createdAt,
      vm,
      parent,
      image,
      kernel,
      driver,
      driver_version: machine?.version ?? null,
      accelerator: machine?.accelerator ?? null,
      processor: machine?.processor ?? null,
      vcpu,
      memory_mib: manifest.memoryMib,
      disk_bytes: manifest.diskBytes,
      nested,
      nat,
      size_bytes: await this.#context.snapshots.bytes(id),
      stood_still_ms: manifest.stoodStillMs,
      files,
    };
  }
}

/** Such as `box-20260131-142500`, UTC. */
function defaultName(vm: string): string {
  const [date = "", time = ""] = new Date().toISOString().replaceAll(/[-:]/g, "").split(/[T.]/);
  return `${vm.slice(0, 47)}-${date}-${time}`;
}
