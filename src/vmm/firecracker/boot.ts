/** The calls that bring a VM up, in order. Pure. Paths within the VM's folder are relative: Firecracker runs in it. */
import type { RateLimit } from "../../core/rate-limit.ts";
import type { LaunchSpec } from "../driver.ts";
import type { Call, RateLimiter, TokenBucket } from "./api.ts";
import { TAP } from "./tap.ts";

/** Names within the VM's folder. Relative, so that they fit into a socket's address, and into a snapshot of another VM. */
export const FILES = {
  api: "api.sock",
  vsock: "vsock.sock",
  console: "console.fifo",
  log: "log.fifo",
  net: "net.sock",
} as const;

/** Names of a saved state's files within its folder. */
export const SAVED = { devices: "firecracker.state", memory: "memory" } as const;

/** 0 to 2 are reserved; the number means nothing between a VM and its own Firecracker. */
const GUEST_CID = 3;

const INTERFACE = "net";
/** The same as QEMU gives: no guest sees another one's. */
const GUEST_MAC = "52:54:00:12:34:56";

/** Where Firecracker sees what it boots from. */
export interface SharedFiles {
  readonly kernel: string;
  readonly initramfs: string;
  readonly base: string;
  readonly modules: string | null;
  readonly state: string;
}

/**
 * Everything before the start. The guest finds its disks by their order: Firecracker gives them serials of its own.
 * @param network whether there is a tap. Every VM gets an interface where there can be one: none can be added later
 */
export function configuration(
  spec: Pick<LaunchSpec, "vcpu" | "memoryMib" | "kernelArgs" | "diskRate" | "netRate">,
  files: SharedFiles,
  network: boolean,
): readonly Call[] {
  const disk = (id: string, path: string, writable = false): Call => ({
    name: "PUT /drives/{drive_id}",
    body: {
      drive_id: id,
      path_on_host: path,
      // The root is the initramfs's business. A root device would be put first, and added to the kernel's command line.
      is_root_device: false,
      is_read_only: !writable,
      // A sync in the guest is an fsync on the host; what is never written needs none.
      cache_type: writable ? "Writeback" : "Unsafe",
      ...(writable && spec.diskRate !== null && { rate_limiter: limiter(spec.diskRate) }),
    },
  });
  return [
    {
      name: "PUT /machine-config",
      body: { vcpu_count: spec.vcpu, mem_size_mib: spec.memoryMib, smt: false },
    },
    {
      name: "PUT /boot-source",
      body: {
        kernel_image_path: files.kernel,
        initrd_path: files.initramfs,
        boot_args: kernelCommandLine(spec.kernelArgs),
      },
    },
    disk("base", files.base),
    disk("state", files.state, true),
    ...(files.modules === null ? [] : [disk("modules", files.modules)]),
    ...(network ? [interfaceCall(spec.netRate)] : []),
    { name: "PUT /vsock", body: { guest_cid: GUEST_CID, uds_path: FILES.vsock } },
    { name: "PUT /entropy", body: {} },
  ];
}

function interfaceCall(rate: RateLimit | null): Call {
  return {
    name: "PUT /network-interfaces/{iface_id}",
    body: {
      iface_id: INTERFACE,
      host_dev_name: TAP,
      guest_mac: GUEST_MAC,
      ...(rate !== null && { rx_rate_limiter: limiter(rate), tx_rate_limiter: limiter(rate) }),
    },
  };
}

/** Buckets that hold a burst, by default a tenth of a second's worth as with QEMU, and are refilled at the rate. */
function limiter({ bytesPerSecond, burstBytes, opsPerSecond }: RateLimit): RateLimiter {
  const bucket = (perSecond: number, size: number): TokenBucket => ({
    size,
    refill_time: Math.max(1, Math.round((size * 1000) / perSecond)),
  });
  const tenth = (perSecond: number) => bucket(perSecond, Math.ceil(perSecond / 10));
  return {
    bandwidth: burstBytes === null ? tenth(bytesPerSecond) : bucket(bytesPerSecond, burstBytes),
    ...(opsPerSecond !== null && { ops: tenth(opsPerSecond) }),
  };
}

/** After a state was loaded: it has the limits of who saved it. A bucket of nothing is no limit. */
export function changedLimits(
  { diskRate, netRate }: Pick<LaunchSpec, "diskRate" | "netRate">,
  network: boolean,
): readonly Call[] {
  const none: TokenBucket = { size: 0, refill_time: 0 };
  const changed = (rate: RateLimit | null) => ({ bandwidth: none, ops: none, ...(rate && limiter(rate)) });
  const limits = { rx_rate_limiter: changed(netRate), tx_rate_limiter: changed(netRate) };
  return [
    { name: "PATCH /drives/{drive_id}", body: { drive_id: "state", rate_limiter: changed(diskRate) } },
    ...(network
      ? [
          {
            name: "PATCH /network-interfaces/{iface_id}",
            body: { iface_id: INTERFACE, ...limits },
          } as const,
        ]
      : []),
  ];
}

export const START: Call = { name: "PUT /actions", body: { action_type: "InstanceStart" } };

/**
 * `reboot=k` resets through the keyboard controller, which is how a guest ends Firecracker: it has no power button, hence
 * `banger.off` for the agent. No PCI bus is looked for; the i8042 is only there to reset.
 */
export function kernelCommandLine(more: readonly string[]): string {
  return [
    "console=ttyS0",
    "quiet",
    "panic=-1",
    "reboot=k",
    "pci=off",
    "i8042.noaux",
    "i8042.nomux",
    "i8042.dumbkbd",
    "cryptomgr.notests",
    "banger.off=reset",
    ...more,
  ].join(" ");
}
