/**
 * What the double enforces without the published description: the calls that banger makes, their bodies, and their order.
 * A contract test keeps this equal to the description.
 */
import type { CallName } from "../../../src/vmm/firecracker/api.ts";
import type { Schema } from "./description.ts";

export type Phase = "Not started" | "Running" | "Paused";

interface Rule {
  /** In which states it is accepted. */
  readonly phases: readonly Phase[];
  readonly body: Schema;
}

const text: Schema = { type: "string" };
const whole: Schema = { type: "integer" };
const flag: Schema = { type: "boolean" };
const object = (properties: Record<string, Schema>, ...required: string[]): Schema => ({
  type: "object",
  properties,
  required,
});
const bucket = object(
  { size: { type: "integer", minimum: 0 }, refill_time: { type: "integer", minimum: 0 } },
  "refill_time",
  "size",
);
const limiter = object({ bandwidth: bucket, ops: bucket });
const choice = (...values: string[]): Schema => ({ type: "string", enum: values });

const BEFORE: readonly Phase[] = ["Not started"];
const AFTER: readonly Phase[] = ["Running", "Paused"];

export const RULES: Record<CallName, Rule> = {
  "PUT /machine-config": {
    phases: BEFORE,
    body: object(
      { vcpu_count: { type: "integer", minimum: 1, maximum: 32 }, mem_size_mib: whole, smt: flag },
      "mem_size_mib",
      "vcpu_count",
    ),
  },
  "PUT /boot-source": {
    phases: BEFORE,
    body: object({ kernel_image_path: text, initrd_path: text, boot_args: text }, "kernel_image_path"),
  },
  "PUT /drives/{drive_id}": {
    phases: BEFORE,
    body: object(
      {
        drive_id: text,
        path_on_host: text,
        is_root_device: flag,
        is_read_only: flag,
        cache_type: choice("Unsafe", "Writeback"),
        rate_limiter: limiter,
      },
      "drive_id",
      "is_root_device",
    ),
  },
  "PATCH /drives/{drive_id}": {
    phases: AFTER,
    body: object({ drive_id: text, path_on_host: text, rate_limiter: limiter }, "drive_id"),
  },
  "PUT /network-interfaces/{iface_id}": {
    phases: BEFORE,
    body: object(
      {
        iface_id: text,
        host_dev_name: text,
        guest_mac: text,
        rx_rate_limiter: limiter,
        tx_rate_limiter: limiter,
      },
      "host_dev_name",
      "iface_id",
    ),
  },
  "PATCH /network-interfaces/{iface_id}": {
    phases: AFTER,
    body: object({ iface_id: text, rx_rate_limiter: limiter, tx_rate_limiter: limiter }, "iface_id"),
  },
  "PUT /vsock": {
    phases: BEFORE,
    body: object({ guest_cid: { type: "integer", minimum: 3 }, uds_path: text }, "guest_cid", "uds_path"),
  },
  "PUT /entropy": { phases: BEFORE, body: object({}) },
  "PUT /actions": {
    phases: BEFORE,
    body: object({ action_type: choice("FlushMetrics", "InstanceStart", "SendCtrlAltDel") }, "action_type"),
  },
  "PATCH /vm": { phases: AFTER, body: object({ state: choice("Paused", "Resumed") }, "state") },
  "PUT /snapshot/create": {
    phases: ["Paused"],
    body: object(
      { snapshot_type: choice("Full", "Diff"), snapshot_path: text, mem_file_path: text },
      "mem_file_path",
      "snapshot_path",
    ),
  },
  "PUT /snapshot/load": {
    phases: BEFORE,
    body: object(
      {
        snapshot_path: text,
        mem_backend: object(
          { backend_type: choice("File", "Uffd"), backend_path: text },
          "backend_type",
          "backend_path",
        ),
        resume_vm: flag,
      },
      "snapshot_path",
    ),
  },
};

/** The rule of a request, or null when there is none. */
export function callOf(method: string, path: string): CallName | null {
  const names = Object.keys(RULES) as CallName[];
  const fits = (name: CallName) =>
    new RegExp(`^${name.replace(/\{\w+\}/, "[^/]+")}$`).test(`${method} ${path}`);
  return names.find(fits) ?? null;
}

/** Firecracker's own words for a call at the wrong time. */
export function wrongPhase(name: CallName, phase: Phase): string | null {
  if (RULES[name].phases.includes(phase)) return null;
  if (phase === "Not started") return "The requested operation is not supported before starting the microVM.";
  if (name === "PUT /snapshot/create") return "Create snapshot error: the microVM is not paused.";
  return "The requested operation is not supported after starting the microVM.";
}
