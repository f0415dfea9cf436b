/** Every driver, for tests of what all of them promise: QEMU, Firecracker where there is one, and the double that plays it. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Accelerator, Driver, DriverStatus } from "../../src/vmm/driver.ts";
import { makeDrivers } from "../../src/vmm/drivers.ts";
import { firecrackerDriver } from "../../src/vmm/firecracker/driver.ts";
import { installDouble } from "./firecracker/install.ts";
import type { TestHome } from "./home.ts";
import { firecrackerMissing, onDouble, qemuMissing, suiteDriver } from "./suite-driver.ts";

const DOUBLE = "firecracker-double";

export interface DriverUnderTest {
  /** A name for messages and files. */
  readonly title: string;
  readonly driver: Driver;
  /** Not usable: the tests are skipped with its reason. */
  readonly status: DriverStatus;
}

/** BANGER_TEST_FIRECRACKER names a real Firecracker, or the double. Changes this process's PATH, for the double's jail. */
export async function eachDriver(home: TestHome): Promise<DriverUnderTest[]> {
  const cache = join(home.path, ".cache/banger");
  const real = hostDrivers(cache, process.env.BANGER_TEST_FIRECRACKER, home.state).all();
  const named = real.map((driver) => ({ title: driver.name, driver }));
  const all = onDouble() ? named : [...named, await doubleDriver(home)];
  return Promise.all(all.map(async (each) => ({ ...each, status: await statusOf(each) })));
}

async function statusOf({ title, driver }: { title: string; driver: Driver }): Promise<DriverStatus> {
  const reason = whyNot(title);
  return reason ? { usable: false, reason, fix: "", packages: [] } : driver.probe();
}

/** One on PATH is no Firecracker to test: the double is there. */
function whyNot(title: string): string | false {
  if (title === DOUBLE) return doubleTooSlow();
  if (title === "qemu") return qemuMissing();
  return !onDouble() && firecrackerMissing();
}

/** Why the double is of no use here, or false: its guest is always emulated, which an emulated host takes minutes for. */
export const doubleTooSlow = (): string | false =>
  /^model name\s*: QEMU TCG/m.test(readFileSync("/proc/cpuinfo", "latin1")) &&
  "this host is emulated, and the double's guest would be once more";

/** The driver that the run is on. @throws AssertionError when it cannot be used */
export async function suitesOwn(home: TestHome): Promise<{ driver: Driver; accelerator: Accelerator }> {
  const cache = join(home.path, ".cache/banger");
  const driver = hostDrivers(cache, process.env.BANGER_TEST_FIRECRACKER, home.state).byName(suiteDriver());
  const status = await driver.probe();
  assert.ok(status.usable);
  return { driver, accelerator: status.accelerator };
}

/** The host's own drivers, as the daemon has them before there is a kernel. */
export const hostDrivers = (cache: string, firecracker_bin?: string, state = cache) =>
  makeDrivers({ firecracker_bin }, { cache, state, anyKernel: async () => null, keep: false });

async function doubleDriver(home: TestHome): Promise<{ title: string; driver: Driver }> {
  const folder = join(home.path, "double");
  await mkdir(folder);
  const { program, path } = await installDouble(folder, { guest: "qemu" });
  process.env.PATH = `${path}:${process.env.PATH}`;
  const accelerator = async () => ({ accelerator: "kvm", why: "the double needs none" }) as const;
  return {
    title: DOUBLE,
    driver: firecrackerDriver({ program, cache: join(home.path, ".cache/banger"), accelerator }),
  };
}
