/** The long nested bed: a VM of Debian with what banger and its tests need on a host, this repository, and the run's seed. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import {
  type GuestSession,
  makeDirectory,
  openGuest,
  startProcess,
  writeArchive,
} from "../../../src/guest/index.ts";
import { exists } from "../../../src/host/files.ts";
import { buildImage } from "../../../src/images/build.ts";
import { readRecipe } from "../../../src/images/recipe.ts";
import type { Machine } from "../../../src/vmm/driver.ts";
import { hostDrivers } from "../each-driver.ts";
import type { TestHome } from "../home.ts";
import { launchSpec, quietly } from "../launch-spec.ts";
import { PATIENCE } from "../patience.ts";
import { REPOSITORY } from "./bed.ts";

const BOOT_MS = 300_000;
const CONSOLE_KEPT = 8192;
/** What runs there takes about ten times as long as on hardware. */
const SLOWER = 10;
/**
 * One processor. With two the bed hung, or was gone, in two of four runs: KVM changes its kernel's code whenever a VM comes or goes,
 * which QEMU before 8.1 does not bear then (docs/adr/0017).
 */
const SIZE = { diskMib: 8192, memoryMib: 4096, vcpu: 1, nested: true };
const RECIPES = fileURLToPath(new URL("../../nested/image", import.meta.url));
/** What banger and its tests need; nothing of the development tools. */
const PARTS = [
  "banger",
  "package.json",
  "package-lock.json",
  "src",
  "guest",
  "images",
  "tests",
  "node_modules",
];
const LEFT_OUT = [
  "@biomejs",
  "@typescript",
  "@oxc-parser",
  "@oxc-resolver",
  "knip",
  "typescript",
  "dependency-cruiser",
];
/** What the first VM would otherwise have to obtain. Disk templates are sparse, and made faster than sent. */
const SEEDED = [
  ".cache/banger/agent",
  ".cache/banger/initramfs",
  ".cache/banger/node",
  ".cache/banger/vmlinux",
  ".local/state/banger/images",
  ".local/state/banger/kernels",
];
/** A home there that tests take as their seed, too. */
const SEED = "/srv/seed";
/** The repository is also where a jail shows it: to the double, when that is the Firecracker. */
const PREPARE = `
modprobe -a kvm_amd tun; test -c /dev/kvm
mkdir -p /usr/local/src/banger; mount --bind '${REPOSITORY}' /usr/local/src/banger
mkdir -p ${SEED}/.config/banger; printf '%s' "$1" > ${SEED}/.config/banger/config.toml
chmod 700 ${SEED}/.config/banger ${SEED}/.local/state/banger ${SEED}/.cache/banger`;

export class NestedBed {
  /** Where the Firecracker that was put in is. */
  readonly firecracker: string | undefined;
  readonly #machine: Machine;
  readonly #session: GuestSession;
  /** The end of what its kernel said. */
  #console = "";

  private constructor(machine: Machine, session: GuestSession, firecracker: string | undefined) {
    this.#machine = machine;
    this.#session = session;
    machine.console.on("data", (part: Buffer) => {
      this.#console = (this.#console + part.toString("latin1")).slice(-CONSOLE_KEPT);
    });
    this.firecracker = firecracker && `/opt/${basename(firecracker)}`;
  }

  /** @param firecracker a program of this host's to put in */
  static async start(home: TestHome, firecracker: string | undefined): Promise<NestedBed> {
    const program = firecracker && (await realpath(firecracker));
    const seed = process.env.BANGER_TEST_SEED ?? assert.fail("run with npm run test:nested");
    const base = await bedImage(seed);
    const spec = await launchSpec(home, "vm-nested", "tcg", { base, ...SIZE });
    const machine = await hostDrivers(home.path).byName("qemu").launch(spec, quietly.signal);
    try {
      const signal = AbortSignal.timeout(BOOT_MS);
      const bed = new NestedBed(machine, await openGuest(await machine.connectAgent(), { signal }), program);
      await bed.#send(REPOSITORY, PARTS, REPOSITORY, LEFT_OUT);
      await bed.#send(seed, SEEDED, SEED);
      if (program) await bed.#send(dirname(program), [basename(program)], "/opt");
      await bed.run(["/bin/sh", "-ec", PREPARE, "sh", bed.#settings()]);
      return bed;
    } catch (error) {
      await machine.kill();
      throw error;
    }
  }

  /** Runs a script, see `run`. */
  shell(script: string): Promise<string> {
    return this.run(["/bin/sh", "-ec", script]);
  }

  /** Runs a command in the repository; what it says is passed on as it comes. @returns all that it said */
  async run(argv: readonly string[]): Promise<string> {
    try {
      return await this.#run(argv);
    } catch (error) {
      if (await this.#machine.answers()) throw error;
      const { reason } = await this.#machine.exited;
      throw new Error(`the bed is gone, ${reason}; its console: ${this.#console}`, { cause: error });
    }
  }

  async #run(argv: readonly string[]): Promise<string> {
    const process = await startProcess(this.#session, { argv, env: this.#environment(), cwd: REPOSITORY });
    const [said, complained] = await Promise.all([passOn(process.stdout), passOn(process.stderr)]);
    const { code } = await process.exited;
    assert.equal(code, 0, `${argv.join(" ")}: ${said}${complained}`);
    return said + complained;
  }

  end(): Promise<void> {
    return this.#machine.kill();
  }

  /** For config.toml: of the bed's own, whatever this run's homes have. */
  #settings(): string {
    const program = this.firecracker ? `firecracker_bin = "${this.firecracker}"\n` : "";
    return `default_image = "debian-slim"\nwarm_cache = 0\n${program}`;
  }

  #environment(): Record<string, string> {
    return {
      HOME: SEED,
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      CI: "true",
      BANGER_TEST_SEED: SEED,
      [PATIENCE]: String(SLOWER),
      ...(this.firecracker && { BANGER_TEST_FIRECRACKER: this.firecracker }),
    };
  }

  async #send(
    from: string,
    names: readonly string[],
    to: string,
    without: readonly string[] = [],
  ): Promise<void> {
    const left = without.map((name) => `--exclude=node_modules/${name}`);
    await makeDirectory(this.#session, to, { parents: true }); // before: what a program says that has ended unheard is thrown away
    const tar = spawn("tar", ["-C", from, ...left, "-cf", "-", ...names], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await writeArchive(this.#session, to, tar.stdout).finally(() => tar.kill());
  }
}

function passOn(stream: Readable): Promise<string> {
  stream.on("data", (part: Buffer) => process.stdout.write(part));
  return text(stream);
}

/** The bed's image, built once and kept beside the seed's others. */
async function bedImage(seed: string): Promise<string> {
  const recipe = (await readRecipe("nested-bed", RECIPES)) ?? assert.fail("the bed's recipe is gone");
  const folder = join(seed, "nested-bed", recipe.digest);
  const made = join(folder, "rootfs.squashfs");
  if (await exists(made)) return made;
  await mkdir(folder, { recursive: true });
  await buildImage(recipe, folder, folder, quietly);
  return made;
}
