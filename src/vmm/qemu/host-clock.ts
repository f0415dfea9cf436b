/** What this host's time stamp counter counts. */
import { readFile } from "node:fs/promises";
import { tscFrequency } from "./arguments.ts";

/** The host's time stamp counter frequency as far as the kernel tells it; null when it does not. */
export async function hostTscKhz(): Promise<number | null> {
  const base = await readFile("/sys/devices/system/cpu/cpu0/cpufreq/base_frequency", "latin1").catch(
    () => "",
  );
  return tscFrequency(base, await readFile("/proc/cpuinfo", "latin1"));
}
