/** The options that say what VM to make, shared by `run` and `create`. */
import { BangerError } from "../../core/errors.ts";
import { checkName } from "../../core/ids.ts";
import type { PortMapping } from "../../core/port-mapping.ts";
import { checkDistinct, formatMapping, parsePortMapping } from "../../core/port-mapping.ts";
import { parseRate } from "../../core/rate-limit.ts";
import { formatDuration, formatSize, GIB, MIB, parseDuration, parseSize } from "../../core/units.ts";
import type { HostSize, VmDefaults } from "../../core/vm-defaults.ts";
import type { CreateOptions, DaemonStatus, OperationEvent } from "../../sdk/index.ts";
import { choice, flag, parsed, parsedList, text, type Values } from "../command.ts";

/** What the contract accepts (src/api LIMITS; a test keeps them equal). Not imported: that would load the schemas. */
export const LIMITS = {
  vcpu: { min: 1, max: 64 },
  memoryMib: { min: 128, max: 1024 * 1024 },
  diskBytes: { min: 256 * MIB, max: 16 * 1024 * GIB },
  ttlMs: { min: 1000, max: 365 * 86_400_000 },
} as const;

/** What a start waits for. */
export const wait = choice("--wait <for>", "agent: commands can run; system: init has finished; none", [
  "agent",
  "system",
  "none",
]);

/** What both a new VM and an existing one can be given. */
export const sizeOptions = {
  vcpu: parsed("--vcpu <n>", "virtual processors", parseVcpu),
  memory: parsed("--memory <size>", "memory: 512M, 4G; a bare number is MiB", parseMemory),
  diskSize: parsed("--disk-size <size>", "disk: 8G, 512M; a bare number is GiB", parseDisk),
};

const rateOptions = {
  diskRate: parsed(
    "--disk-rate <rate>",
    "most bytes each second from and to its own disk: 10M; after a rest 10M,burst=40M; with operations 10M,iops=500",
    (text) => parseRate(text, "--disk-rate", true),
  ),
  netRate: parsed(
    "--net-rate <rate>",
    "most bytes each second from and to its network (--nat), each way: 10M or 10M,burst=40M",
    (text) => parseRate(text, "--net-rate", false),
  ),
};

export const machineOptions = {
  name: parsed("--name <name>", "a DNS label; a two-word name is made when absent", checkName),
  image: text("--image <image>", "name of an image here, a recipe, or [registry/]path[:tag][@digest]"),
  kernel: text("--kernel <kernel>", "kernel to boot"),
  ...sizeOptions,
  driver: choice("--driver <driver>", "what runs the VM", ["auto", "firecracker", "qemu"]),
  nat: flag("--nat", "outbound network; without it the VM has none at all"),
  ...rateOptions,
  publish: parsedList(
    "-p, --publish <[address:][host]:guest>",
    "a port of this host that leads into the guest; on loopback unless an address is given, a free one when host is left out (repeatable)",
    (text) => parsePortMapping(text, "--publish"),
  ),
  cold: flag("--cold", "boot it, even if it could start from a template kept ready"),
  nested: flag("--nested", "virtualization inside the guest"),
  ttl: parsed("--ttl <time>", "stop it this long after each start (45m, 8h); with --rm delete it", parseTtl),
  wait,
  yes: flag("-y, --yes", "install missing host packages without asking"),
};

function parseTtl(value: string): number {
  const ms = parseDuration(value, "--ttl");
  const { min, max } = LIMITS.ttlMs;
  if (ms < min || ms > max) {
    throw outside("--ttl", `'${value}'`, `${formatDuration(min)} to ${formatDuration(max)}`);
  }
  return ms;
}

function parseVcpu(value: string): number {
  const n = /^\d{1,6}$/.test(value) ? Number(value) : 0;
  const { min, max } = LIMITS.vcpu;
  if (n < min || n > max) throw outside("--vcpu", `'${value}'`, `a whole number from ${min} to ${max}`);
  return n;
}

function parseMemory(value: string): number {
  const mib = Math.floor(parseSize(value, "--memory", MIB) / MIB);
  const { min, max } = LIMITS.memoryMib;
  if (mib < min || mib > max) {
    throw outside("--memory", `'${value}'`, `${formatSize(min * MIB)} to ${formatSize(max * MIB)}`);
  }
  return mib;
}

function parseDisk(value: string): number {
  const bytes = parseSize(value, "--disk-size", GIB);
  const { min, max } = LIMITS.diskBytes;
  if (bytes < min || bytes > max)
    throw outside("--disk-size", `'${value}'`, `${formatSize(min)} to ${formatSize(max)}`);
  return bytes;
}

const outside = (what: string, value: string, accepted: string) =>
  BangerError.of("invalid_argument", {
    what,
    problem: `${value} is not accepted`,
    accepted: `accepted: ${accepted}`,
  });

/** The VM to ask for, every size explicit. */
export type Machine = CreateOptions &
  Required<Pick<CreateOptions, "image" | "vcpu" | "memoryMib" | "diskBytes">> & {
    readonly publish?: readonly PortMapping[];
  };

/** Fills in what was not asked for, and refuses what this host cannot give. Pure. */
export function completeMachine(
  options: Values<typeof machineOptions>,
  defaults: VmDefaults,
  defaultImage: string,
  host: HostSize,
): Machine {
  const { name, image, kernel, driver, cold, nested, nat, diskRate, netRate, publish, wait, ttl } = options;
  checkDistinct(publish, "--publish");
  const machine = {
    image: image ?? defaultImage,
    vcpu: options.vcpu ?? defaults.vcpu.value,
    memoryMib: options.memory ?? defaults.memoryMib.value,
    diskBytes: options.diskSize ?? defaults.diskBytes.value,
  };
  if (machine.vcpu > host.cpus) throw tooMuch("vcpu", String(machine.vcpu), String(host.cpus));
  if (machine.memoryMib * MIB > host.memoryBytes) {
    throw tooMuch("memory", formatSize(machine.memoryMib * MIB), formatSize(host.memoryBytes));
  }
  return {
    ...machine,
    ...(name !== undefined && { name }),
    ...(kernel !== undefined && { kernel }),
    ...(driver !== undefined && { driver }),
    ...(cold && { cold }),
    ...(nested && { nested }),
    ...(nat && { nat }),
    ...(diskRate && { diskRate }),
    ...(netRate && { netRate }),
    ...(publish.length > 0 && { publish }),
    ...(wait !== undefined && { wait }),
    ...(ttl !== undefined && { ttlMs: ttl }),
  };
}

/**
 * The spec line, once: as soon as it shows how the VM comes up, and as far as it is told by then what runs it. What has something
 * to fetch or to make first starts cold.
 */
export function specLead(
  machine: Machine,
  driver: DaemonStatus["driver"],
): (event: OperationEvent) => string | null {
  let said = false;
  return (event) => {
    if (said || event.type !== "stage" || event.name === "creating") return null;
    said = true;
    const start = event.name === "starting warm" ? "warm" : "cold";
    return specLine(machine, driver, start, /^\w+\/\w+$/.exec(event.detail ?? "")?.[0]);
  };
}

const tooMuch = (what: string, asked: string, available: string) =>
  BangerError.of("resource_exceeds_host", { what, asked, available });

/** Reads the configuration and fills in the machine. */
export async function resolveMachine(options: Values<typeof machineOptions>): Promise<Machine> {
  const { config, defaults, host } = await hostDefaults();
  return completeMachine(options, defaults, config.default_image, host);
}

/** For the help: what a VM gets here when nothing is asked for. */
export async function defaultsNote(): Promise<string> {
  const { config, defaults } = await hostDefaults();
  const { vcpu, memoryMib, diskBytes } = defaults;
  return `Defaults here:
  --image      ${config.default_image}
  --kernel     ${config.default_kernel}
  --vcpu       ${vcpu.value} (${vcpu.origin})
  --memory     ${formatSize(memoryMib.value * MIB)} (${memoryMib.origin})
  --disk-size  ${formatSize(diskBytes.value)} (${diskBytes.origin})`;
}

async function hostDefaults() {
  const [{ knownConfig }, { resolvePaths }, { hostSize, vmDefaults }] = await Promise.all([
    import("../../host/known-config.ts"),
    import("../../host/paths.ts"),
    import("../../host/vm-defaults.ts"),
  ]);
  const config = await knownConfig(resolvePaths());
  const host = hostSize();
  return { config, host, defaults: vmDefaults(config, host) };
}

/**
 * `spec: 2 vcpu | 2048 MiB | 8G disk | qemu/tcg | debian-bookworm | start: warm`
 * @param driver what the daemon takes when it is not asked for one; @param chosen what it took, once that is known
 */
export function specLine(
  machine: Machine,
  driver: DaemonStatus["driver"],
  start?: "cold" | "warm",
  chosen: string = foreseen(machine, driver),
): string {
  const parts = [
    `${machine.vcpu} vcpu`,
    `${machine.memoryMib} MiB`,
    `${formatSize(machine.diskBytes)} disk`,
    chosen,
    machine.image,
    ...(machine.nat ? ["nat"] : []),
    ...(machine.publish ? [`ports ${machine.publish.map(formatMapping).join(", ")}`] : []),
    ...(start ? [`start: ${start}`] : []),
  ];
  return `spec: ${parts.join(" | ")}`;
}

function foreseen(machine: Machine, driver: DaemonStatus["driver"]): string {
  if (machine.driver && machine.driver !== "auto" && machine.driver !== driver.name) return machine.driver;
  // What will be used is told in words; when both are named, tcg is what is left.
  const accelerator = /\btcg\b/i.test(driver.detail) ? "/tcg" : /\bkvm\b/i.test(driver.detail) ? "/kvm" : "";
  return `${driver.name}${accelerator}`;
}
