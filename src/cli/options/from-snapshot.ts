/** A new VM of a snapshot: what can still be said about it, and what the snapshot has decided. */
import { checkDistinct } from "../../core/port-mapping.ts";
import { formatSize } from "../../core/units.ts";
import { BangerError, type RestoreOptions, type Snapshot } from "../../sdk/index.ts";
import { text, type Values } from "../command.ts";
import { machineOptions } from "./machine.ts";

const { name, publish, ttl, wait, yes } = machineOptions;
/** What `vm restore` and `vm run --from-snapshot` take. */
export const restoreOptions = { name, publish, ttl, wait, yes };

export const fromSnapshot = text(
  "--from-snapshot <snapshot>",
  "go on from a snapshot instead of booting an image (vm snapshot create)",
);

/** The options of `vm run` that a snapshot leaves no choice about. */
const DECIDED = {
  image: "--image",
  kernel: "--kernel",
  vcpu: "--vcpu",
  memory: "--memory",
  diskSize: "--disk-size",
  driver: "--driver",
  nat: "--nat",
  nested: "--nested",
  cold: "--cold",
} as const;

/** @throws invalid_argument when something is asked for that the snapshot has decided */
export function refuseDecided(
  options: Readonly<Partial<Record<keyof typeof DECIDED, unknown>>>,
  path: string | undefined,
): void {
  const given = (Object.keys(DECIDED) as (keyof typeof DECIDED)[]).find((key) => options[key]);
  if (given === undefined && path === undefined) return;
  throw BangerError.of("invalid_argument", {
    what: "vm run",
    problem:
      given === undefined
        ? "--from-snapshot takes no path: what is in the snapshot is what you get"
        : `${DECIDED[given]} and --from-snapshot exclude each other: the VM is as it was`,
    accepted: "leave it out; later: banger vm set, banger vm workspace prepare",
  });
}

/** What `banger.restore` is to be told. */
export function restoreRequest({ name, publish, ttl, wait }: Values<typeof restoreOptions>): RestoreOptions {
  checkDistinct(publish, "--publish");
  return {
    ...(name !== undefined && { name }),
    ...(publish.length > 0 && { publish }),
    ...(ttl !== undefined && { ttlMs: ttl }),
    ...(wait !== undefined && { wait }),
  };
}

/** `spec: 2 vcpu | 2048 MiB | 8G disk | qemu/tcg | debian-slim | snapshot ready of box` */
export function snapshotLine(one: Snapshot): string {
  const parts = [
    `${one.vcpu} vcpu`,
    `${one.memory_mib} MiB`,
    `${formatSize(one.disk_bytes)} disk`,
    one.accelerator ? `${one.driver}/${one.accelerator}` : one.driver,
    one.image.name,
    `snapshot ${one.name} of ${one.vm.name}`,
  ];
  return `spec: ${parts.join(" | ")}`;
}
