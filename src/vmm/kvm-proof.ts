/**
 * The proof that KVM works: a stock kernel is booted with it until it finds that it has no root. The result is kept for this
 * boot of the host, this kernel of the host, and this QEMU: whatever may change it asks anew.
 */
import { readFile, stat } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { privateDirectory, writeFileAtomic } from "../host/files.ts";
import { ProcessError, run } from "../host/run.ts";
import type { Accelerator } from "./driver.ts";
import { emulatedClock, FIRMWARE, MACHINE } from "./qemu/arguments.ts";
import { hostTimeStampCounter } from "./qemu/host-clock.ts";

export type Proof =
  | { readonly result: "boots" }
  | { readonly result: "fails"; readonly reason: string }
  /** There is no kernel, or no QEMU, to try it with. */
  | { readonly result: "untried" };

/** Generous: below another hypervisor a boot may take ten times as long as on hardware. */
const BOOT_MS = 60_000;
const FILE = "kvm-proof.json";

const Kept = z.strictObject({
  key: z.string(),
  proof: z.union([
    z.strictObject({ result: z.literal("boots") }),
    z.strictObject({ result: z.literal("fails"), reason: z.string().max(4096) }),
  ]),
});

export interface ProofInputs {
  /** QEMU, or null when there is none. */
  readonly program: string | null;
  /** A kernel to boot, best one that need not unpack itself; null when there is none yet. */
  readonly kernel: string | null;
  /** banger's cache folder. */
  readonly cache: string;
  /** False: the result is not kept, for looks that must change nothing. */
  readonly keep: boolean;
}

/** The kept result, or a boot. */
export async function proveKvm({ program, kernel, cache, keep }: ProofInputs): Promise<Proof> {
  if (program === null || kernel === null) return { result: "untried" };
  const key = await proofKey(program);
  const file = join(cache, FILE);
  const kept = Kept.safeParse(parsed(await readFile(file, "utf8").catch(() => "")));
  if (kept.data?.key === key) return kept.data.proof;
  const proof = await tryBoot(program, kernel, "kvm");
  if (keep) {
    await privateDirectory(cache);
    await writeFileAtomic(file, JSON.stringify({ key, proof }));
  }
  return proof;
}

/**
 * Boots a kernel without a root and without disks, and looks for the words with which it gives up. It says nothing else: each
 * character is two exits from the guest, and below another hypervisor those are what takes the time.
 */
export async function tryBoot(
  program: string,
  kernel: string,
  accelerator: Accelerator,
  limitMs: number = BOOT_MS,
): Promise<Exclude<Proof, { result: "untried" }>> {
  const late = AbortSignal.timeout(limitMs);
  const clock = accelerator === "tcg" ? emulatedClock(await hostTimeStampCounter()) : [];
  const args = [
    ...["-M", MACHINE, ...FIRMWARE],
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-m", "256M"],
    ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ...["-accel", accelerator, "-cpu", accelerator === "kvm" ? "host" : "max,-fsrm"],
    ...["-kernel", kernel, "-append", ["console=ttyS0 quiet panic=-1 no_timer_check", ...clock].join(" ")],
    ...["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"],
  ];
  const outcome = await run(program, args, { signal: late }).catch((error: unknown) => error as Error);
  if (outcome instanceof Error) {
    const said = outcome instanceof ProcessError ? outcome.lastLine : outcome.message;
    return { result: "fails", reason: late.aborted ? `no sign of an end within ${limitMs / 1000} s` : said };
  }
  if (/Unable to mount root fs|No working init found/.test(outcome.stdout)) return { result: "boots" };
  return { result: "fails", reason: outcome.stdout.trim().split("\n").at(-1) || "it said nothing" };
}

async function proofKey(program: string): Promise<string> {
  const { size, mtimeMs } = await stat(program);
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "latin1");
  return [boot.trim(), release(), program, size, mtimeMs].join(" ");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
