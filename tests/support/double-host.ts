/** A home whose banger finds Firecracker on a host with KVM: the contract's double, on a host made for it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { banger, type CommandResult, configureHome } from "./command.ts";
import { type Installed, installDouble, installJailer, type JailerDouble } from "./firecracker/install.ts";
import type { Plan } from "./firecracker/plan.ts";
import type { TestHome } from "./home.ts";
import { type KvmLook, onKvmHost, provingQemu } from "./kvm-host.ts";

export class DoubleHost {
  readonly #double: Installed;
  readonly #folder: string;

  private constructor(folder: string, double: Installed) {
    this.#folder = folder;
    this.#double = double;
  }

  /** Before the home is made: the double's jail has to be on PATH then. */
  static async make(plan: Partial<Plan>): Promise<DoubleHost> {
    const folder = mkdtempSync(join(tmpdir(), "banger-kvm-host-"));
    after(() => rmSync(folder, { recursive: true }));
    const double = await installDouble(folder, plan);
    process.env.PATH = `${double.path}:${process.env.PATH}`;
    return new DoubleHost(folder, double);
  }

  /** Changes what the double does from its next start on. */
  plan(change: Partial<Plan>): void {
    this.#double.plan(change);
  }

  /** Root's Firecracker is started by a jailer from now on. */
  installJailer(): JailerDouble {
    return installJailer(this.#double);
  }

  /** What is put before a command to run it on the host with KVM. */
  behind(look: KvmLook = "usable"): string[] {
    return onKvmHost(this.#folder, look);
  }

  /** Writes the home's config.toml: the double, or another program, for Firecracker; and `more`. */
  configure(home: TestHome, program = this.#double.program, more = ""): Promise<void> {
    const qemu = provingQemu(this.#folder);
    return configureHome(home.path, `firecracker_bin = "${program}"\nqemu_bin = "${qemu}"\n${more}`);
  }

  /** A command on the host with KVM; a daemon that it starts is there, too. */
  run(home: TestHome, args: readonly string[], look: KvmLook = "usable"): Promise<CommandResult> {
    return banger(args, { env: home.env, behind: this.behind(look) });
  }
}
