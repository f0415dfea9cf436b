/** What a test tells the double: a file beside the program that the driver starts. */
import type { CallName } from "../../../src/vmm/firecracker/api.ts";

export interface Plan {
  /** As `--version` tells it. */
  readonly version: string;
  /** What stands for the guest: QEMU with the files that were configured, or the agent's program alone. */
  readonly guest: "qemu" | "agent" | "none";
  /** What runs the guest `qemu`: KVM where it is real, without it emulation. */
  readonly accelerator?: "kvm";
  /** The agent's program for the guest `agent`. */
  readonly agent?: string;
  /** Calls that are refused with this message. */
  readonly refuse?: Partial<Record<CallName, string>>;
  /** The call at which it dies, without an answer; `start` = before there is a socket. */
  readonly dieAt?: CallName | "start" | "listening";
  /** Where the published API description lies; without it only the double's own rules are enforced. */
  readonly description?: string;
  /** It never makes its socket. */
  readonly mute?: boolean;
}

/** Everything that was asked of a double, in the VM's folder: a line of JSON each. */
export const CALLS_FILE = "double.calls";

export interface RecordedCall {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly status: number;
  readonly answer?: unknown;
  /** When it came, in milliseconds since the epoch. */
  readonly at: number;
  /** How long the double took until it listened, in milliseconds: a TypeScript program takes longer than Firecracker. */
  readonly started: number;
}
