/**
 * KVM without KVM hardware: a VM whose processor is emulated with its virtualization extension, banger put into it as on any
 * host, and its VMs there run with KVM. Slow: everything in it is emulated once, its VMs' privileged parts twice.
 * BANGER_TEST_FIRECRACKER=path also runs a VM on that program.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type GuestSession, openGuest, startProcess, writeArchive } from "../../src/guest/index.ts";
import { exists } from "../../src/host/files.ts";
import { buildImage } from "../../src/images/build.ts";
import { readRecipe } from "../../src/images/recipe.ts";
import type { Machine } from "../../src/vmm/driver.ts";
import { hostDrivers } from "../support/each-driver.ts";
import { makeHome } from "../support/home.ts";
import { launchSpec, quietly } from "../support/launch-spec.ts";

const BOOT_MS = 300_000;
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const RECIPES = fileURLToPath(new URL("image", import.meta.url));
/** What banger needs to run from its sources; nothing of the development tools. */
const PARTS = ["banger", "package.json", "package-lock.json", "src", "guest", "images", "node_modules"];
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
  ".local/state/banger/images",
  ".local/state/banger/kernels",
];
const ENVIRONMENT = {
  HOME: "/root",
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  CI: "true",
};

const firecracker = process.env.BANGER_TEST_FIRECRACKER;

describe("inside a VM that can virtualize", async () => {
  let machine: Machine | undefined;
  after(() => machine?.kill()); // before the home is taken down, which finds whatever is left
  const home = await makeHome();
  const seed = process.env.BANGER_TEST_SEED ?? assert.fail("run with npm run test:nested");
  let session: GuestSession;

  before(async () => {
    const driver = hostDrivers(home.path).byName("qemu");
    const base = await bedImage(seed);
    const spec = await launchSpec(home, "vm-nested", "tcg", {
      base,
      diskMib: 4096,
      memoryMib: 2048,
      vcpu: 2,
      nested: true,
    });
    machine = await driver.launch(spec, quietly.signal);
    machine.console.resume();
    session = await openGuest(await machine.connectAgent(), { signal: AbortSignal.timeout(BOOT_MS) });
    await send(REPOSITORY, PARTS, "/opt/banger", LEFT_OUT);
    await send(seed, SEEDED, "/root");
    if (firecracker) await send(dirname(firecracker), [basename(firecracker)], "/opt");
    await shell("modprobe kvm_amd; test -c /dev/kvm");
  });

  async function send(from: string, names: readonly string[], to: string, without: readonly string[] = []) {
    const left = without.map((name) => `--exclude=node_modules/${name}`);
    const tar = spawn("tar", ["-C", from, ...left, "-cf", "-", ...names], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await shell(`mkdir -p ${to}`);
    await writeArchive(session, to, tar.stdout).finally(() => tar.kill());
  }

  async function shell(script: string): Promise<string> {
    const argv = ["/bin/sh", "-ec", script];
    const process = await startProcess(session, { argv, env: ENVIRONMENT });
    const [said, complained] = await Promise.all([text(process.stdout), text(process.stderr)]);
    const { code } = await process.exited;
    assert.equal(code, 0, `${script}: ${said}${complained}`);
    return said + complained;
  }

  test("banger proves that KVM can be used, and runs a VM with it", async () => {
    const said = await shell(
      "/opt/banger/banger vm run --rm --driver qemu --vcpu 1 --memory 256M -- uname -a",
    );
    console.log(said.trimEnd());
    assert.match(said, /qemu\/kvm/);
    assert.match(said, /^Linux .*cloud-amd64/m);
    assert.match(await shell("/opt/banger/banger doctor || true"), /driver\s+qemu\/kvm: .*\(KVM, kvm_amd\)/);
  });

  test("Firecracker runs a VM", async (t) => {
    if (!firecracker) return t.skip("no Firecracker: BANGER_TEST_FIRECRACKER=path names one");
    await shell(
      `mkdir -p /root/.config/banger; echo 'firecracker_bin = "/opt/${basename(firecracker)}"' > /root/.config/banger/config.toml; /opt/banger/banger daemon stop`,
    );
    const said = await shell(
      "/opt/banger/banger vm run --rm --driver firecracker --vcpu 1 --memory 256M -- uname -a",
    );
    console.log(said.trimEnd());
    assert.match(said, /firecracker\/kvm/);
    assert.match(said, /^Linux .*cloud-amd64/m);
  });
});

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
