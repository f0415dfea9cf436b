/** This host's time stamp counter: the programs and the kernel of an emulated guest read it as their own processor's. */
import { readFile } from "node:fs/promises";

/** What a kernel keeps time by. */
export const CLOCK_SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

export interface TimeStampCounter {
  readonly khz: number;
  /** The host's kernel keeps its own time by it, and has measured it: what a guest counts by it is right, too. */
  readonly reliable: boolean;
}

/** What the host's kernel tells of itself, as it is in its files; empty when there is no such file. */
export interface ClockFiles {
  /** `CLOCK_SOURCE` */
  readonly clocksource: string;
  /** `/proc/cmdline` */
  readonly commandLine: string;
  /** `/sys/devices/system/cpu/cpu0/cpufreq/base_frequency`, in kHz. */
  readonly baseFrequency: string;
  /** `/proc/cpuinfo` */
  readonly cpuinfo: string;
}

/** Null when the host's kernel does not tell its speed. */
export async function hostTimeStampCounter(): Promise<TimeStampCounter | null> {
  const read = (path: string) => readFile(path, "latin1").catch(() => "");
  const [clocksource, commandLine, baseFrequency, cpuinfo] = await Promise.all([
    read(CLOCK_SOURCE),
    read("/proc/cmdline"),
    read("/sys/devices/system/cpu/cpu0/cpufreq/base_frequency"),
    read("/proc/cpuinfo"),
  ]);
  return timeStampCounter({ clocksource, commandLine, baseFrequency, cpuinfo });
}

/**
 * Where the kernel keeps time by the counter it has measured it, and set its loops per jiffy by that, which /proc/cpuinfo shows as twice
 * the counter's MHz with two decimals (Linux: `tsc_init`, `calibrate_delay`), unless it was told other loops. Elsewhere the
 * processor's nominal speed is what comes closest: the base frequency and the model's name say it; "cpu MHz" is the speed of the moment
 * on hosts that change it, so it comes last. Pure.
 */
export function timeStampCounter(files: ClockFiles): TimeStampCounter | null {
  const { clocksource, commandLine, baseFrequency, cpuinfo } = files;
  const bogomips = Number(/^bogomips\s*:\s*(\d+\.\d\d)$/m.exec(cpuinfo)?.[1] ?? 0);
  if (clocksource.trim() === "tsc" && bogomips > 0 && !/\blpj=/.test(commandLine))
    return { khz: Math.round(bogomips * 500), reliable: true };
  const khz = nominalKhz(baseFrequency, cpuinfo);
  return khz === null ? null : { khz, reliable: false };
}

function nominalKhz(baseFrequency: string, cpuinfo: string): number | null {
  if (/^\d+\s*$/.test(baseFrequency)) return Number(baseFrequency);
  const gigahertz = /^model name\s*:.*@ ([\d.]+)GHz/m.exec(cpuinfo)?.[1];
  if (gigahertz) return Math.round(Number(gigahertz) * 1_000_000);
  const megahertz = /^cpu MHz\s*:\s*([\d.]+)$/m.exec(cpuinfo)?.[1];
  return megahertz ? Math.round(Number(megahertz) * 1000) : null;
}
