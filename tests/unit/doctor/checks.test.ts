/** What the other rows say of hosts that this one is not. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parseConfig } from "../../../src/core/config.ts";
import { GIB } from "../../../src/core/units.ts";
import { checkArchitecture, checkNode } from "../../../src/doctor/machine.ts";
import { checkDriver } from "../../../src/doctor/monitor.ts";
import { checkConfiguration, checkDefaults } from "../../../src/doctor/settings.ts";
import { checkImage, checkKernel } from "../../../src/doctor/supplies.ts";
import { missingRow } from "../../../src/doctor/tools.ts";
import { installPlan } from "../../../src/host/install.ts";
import { configFile } from "../../../src/host/paths.ts";
import { TOOLS } from "../../../src/host/tools.ts";
import type { DriverStatus } from "../../../src/vmm/driver.ts";
import { temporaryFolder, temporaryPaths } from "../../support/temporary.ts";

test("only Linux on x86_64, and Node 24 or newer", () => {
  assert.equal(checkArchitecture("linux", "x64").state, "pass");
  assert.equal(checkArchitecture("linux", "arm64").state, "fail");
  assert.equal(checkArchitecture("darwin", "x64").state, "fail");
  assert.equal(checkNode("v24.0.0").state, "pass");
  assert.equal(checkNode("v100.1.0").state, "pass");
  assert.equal(checkNode("v20.20.2").state, "fail");
});

describe("the driver", () => {
  const driver = (status: DriverStatus) => [{ name: "qemu" as const, probe: async () => status }];
  const usable = { usable: true, version: "QEMU 9.0.0", why: "the reason" } as const;

  test("passes with KVM and warns without; both with version and reason", async () => {
    const [fast] = await checkDriver("auto", driver({ ...usable, accelerator: "kvm" }));
    assert.deepEqual([fast?.state, fast?.detail], ["pass", "qemu/kvm: QEMU 9.0.0, the reason"]);
    const [slow] = await checkDriver("qemu", driver({ ...usable, accelerator: "tcg" }));
    assert.equal(slow?.state, "warn");
    assert.match(slow?.detail ?? "", /^qemu\/tcg \(chosen by the configuration\): QEMU 9.0.0/);
  });

  test("says in the same line why a better one is not used", async () => {
    const absent = { usable: false, reason: "firecracker is not installed", fix: "", packages: [] } as const;
    const rows = await checkDriver("auto", [
      { name: "firecracker", probe: async () => absent },
      ...driver({ ...usable, accelerator: "kvm" }),
    ]);
    assert.deepEqual(
      rows.map(({ detail }) => detail),
      ["qemu/kvm: QEMU 9.0.0, the reason; not firecracker: firecracker is not installed"],
    );
  });

  test("that is here but too old has a row of its own with what to do, unless it is the one wanted", async () => {
    const old = {
      usable: false,
      reason: "too old",
      fix: "get a newer one",
      packages: [],
      broken: true,
    } as const;
    const both = [
      { name: "firecracker" as const, probe: async () => old },
      ...driver({ ...usable, accelerator: "kvm" }),
    ];
    const [finding, row] = await checkDriver("auto", both);
    assert.deepEqual(finding, {
      name: "firecracker",
      state: "fail",
      detail: "too old",
      fix: "get a newer one",
    });
    assert.equal(row?.state, "pass");
    const alone = await checkDriver("firecracker", both);
    assert.deepEqual(
      alone.map(({ name, state }) => [name, state]),
      [["driver", "fail"]],
    );
  });

  test("fails with the fix when none can be used", async () => {
    const refused = { usable: false, reason: "too old", fix: "get a newer one", packages: [] } as const;
    const row = { name: "driver", state: "fail", detail: "qemu: too old", fix: "get a newer one" };
    assert.deepEqual(await checkDriver("auto", driver(refused)), [row]);
  });
});

describe("a missing tool", () => {
  const tool = (name: string) => TOOLS.find((candidate) => candidate.name === name) ?? assert.fail(name);
  const host = { manager: "apt", uid: 1000, sudo: true } as const;

  test("fails, unless banger works without it", () => {
    const needed = missingRow(tool("mmdebstrap"), installPlan(["mmdebstrap"], host));
    assert.equal(needed.state, "fail");
    assert.equal(needed.fix, "banger doctor --fix installs: debian-archive-keyring mmdebstrap");
    assert.equal(missingRow(tool("bwrap"), installPlan(["bwrap"], host)).state, "warn");
  });

  test("where --fix cannot install it, is told with the line to type", () => {
    const row = missingRow(tool("make"), installPlan(["make"], { ...host, manager: "dnf" }));
    assert.equal(row.fix, "sudo dnf install make");
  });
});

test("VM defaults name where each comes from, and are compared with the host", async (t) => {
  const config = parseConfig({ vm_defaults: { memory: "16G" } }, "", "");
  const row = checkDefaults(config, { cpus: 16, memoryBytes: 32 * GIB });
  assert.deepEqual(
    [row.state, row.detail],
    ["pass", "4 vcpu (auto), 16G memory (config), 8G disk (builtin)"],
  );
  assert.equal(checkDefaults(config, { cpus: 16, memoryBytes: 8 * GIB }).state, "warn");

  const paths = temporaryPaths(t);
  assert.equal((await checkConfiguration(paths)).state, "pass");
  mkdirSync(paths.config);
  writeFileSync(configFile(paths), "nonsense = 1\n");
  await assert.rejects(checkConfiguration(paths), { code: "invalid_config" });
});

describe("kernel and image", () => {
  test("that are not here are obtainable where apt knows a Debian archive", async (t) => {
    const paths = temporaryPaths(t);
    const apt = temporaryFolder(t);
    assert.equal((await checkKernel(paths, "debian-cloud", apt)).state, "fail");
    assert.equal((await checkImage(paths, "debian-slim", apt)).state, "fail");
    writeFileSync(join(apt, "sources.list"), "deb http://mirror.test/debian bookworm main\n");
    assert.equal((await checkKernel(paths, "debian-cloud", apt)).state, "pass");
    assert.equal((await checkImage(paths, "debian-slim", apt)).state, "pass");
  });

  test("that nobody knows fail with the names that there are", async (t) => {
    const row = await checkImage(temporaryPaths(t), "debian-slin");
    assert.equal(row.state, "fail");
    assert.match(row.fix ?? "", /debian-slim/);
  });
});
