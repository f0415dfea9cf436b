/** What the configuration amounts to: every value, and where it comes from. Pure. */
import { type Config, configSchema } from "./config.ts";
import { keyName, lineOf } from "./config-lines.ts";
import { GIB, MIB } from "./units.ts";
import type { VmDefaults } from "./vm-defaults.ts";

/** One value in effect. */
export interface EffectiveValue {
  /** As people write it: `vm_defaults.memory`, `file_sync[0].mode`. */
  readonly key: string;
  /** As it could stand in config.toml; null for one that is not set and has no value of its own. */
  readonly value: unknown;
  /** config: the file; auto: from what this host has; builtin: banger's own. */
  readonly from: "config" | "auto" | "builtin";
  /** Of the file; null when it does not come from there, or the line cannot be told. */
  readonly line: number | null;
}

/**
 * @param written the parsed file, valid
 * @param text the file, to name lines
 * @param config what `written` means
 * @param sizes the defaults of VMs, resolved on this host
 */
export function effectiveValues(
  written: Readonly<Record<string, unknown>>,
  text: string,
  config: Config,
  sizes: VmDefaults,
): EffectiveValue[] {
  const fromFile = (path: readonly string[], value: unknown): EffectiveValue => ({
    key: keyName(path),
    value,
    from: "config",
    line: lineOf(text, path),
  });
  return Object.keys(configSchema.shape).flatMap((name): EffectiveValue[] => {
    if (name === "vm_defaults") return defaultSizes(sizes, (written.vm_defaults ?? {}) as object, fromFile);
    if (name === "file_sync" || name === "catalogs")
      return entries(name, config, (written[name] ?? []) as object[], fromFile);
    if (Object.hasOwn(written, name)) return [fromFile([name], written[name])];
    return [{ key: name, value: config[name as keyof Config] ?? null, from: "builtin", line: null }];
  });
}

type FromFile = (path: readonly string[], value: unknown) => EffectiveValue;

function defaultSizes(sizes: VmDefaults, written: object, fromFile: FromFile): EffectiveValue[] {
  const values = {
    vcpu: { ...sizes.vcpu },
    memory: { ...sizes.memoryMib, value: `${sizes.memoryMib.value}M` },
    disk_size: { ...sizes.diskBytes, value: exactSize(sizes.diskBytes.value) },
  };
  return Object.entries(values).map(([name, { value, origin }]) =>
    Object.hasOwn(written, name)
      ? fromFile(["vm_defaults", name], value)
      : { key: `vm_defaults.${name}`, value, from: origin, line: null },
  );
}

/** Not rounded: it could be written into the file. */
function exactSize(bytes: number): string {
  return bytes % GIB === 0 ? `${bytes / GIB}G` : `${bytes / MIB}M`;
}

/** Every part of every entry, also the mode that nobody wrote. */
function entries(
  name: "file_sync" | "catalogs",
  config: Config,
  written: readonly object[],
  fromFile: FromFile,
): EffectiveValue[] {
  const all = config[name].map((entry) =>
    "mode" in entry ? { ...entry, mode: entry.mode.toString(8).padStart(4, "0") } : entry,
  );
  if (all.length === 0) return [{ key: name, value: [], from: "builtin", line: null }];
  return all.flatMap((entry, index) =>
    Object.entries(entry).map(([part, value]): EffectiveValue => {
      const path = [name, String(index), part];
      if (Object.hasOwn(written[index] ?? {}, part)) return fromFile(path, value);
      return { key: keyName(path), value, from: "builtin", line: null };
    }),
  );
}
