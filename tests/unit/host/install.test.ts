/** What is installed where, and what is said where nothing can be. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type InstallHost, installPlan, runInstallPlan } from "../../../src/host/install.ts";
import { packageManagerOf, packagesFor } from "../../../src/host/packages.ts";
import { ProcessError } from "../../../src/host/run.ts";
import { TOOLS } from "../../../src/host/tools.ts";

const debian: InstallHost = { manager: "apt", uid: 0, sudo: false };
const lines = (plan: { commands: readonly (readonly string[])[] }) =>
  plan.commands.map((command) => command.join(" "));

describe("a plan", () => {
  test("as root on Debian refreshes and installs, each package once", () => {
    assert.deepEqual(lines(installPlan(["mke2fs", "debugfs", "qemu-system-x86_64"], debian)), [
      "env DEBIAN_FRONTEND=noninteractive apt-get update",
      "env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends e2fsprogs qemu-system-x86",
    ]);
  });

  test("of an ordinary user goes through sudo, with the setting as an argument", () => {
    for (const line of lines(installPlan(["make"], { ...debian, uid: 1000, sudo: true })))
      assert.match(line, /^sudo env DEBIAN_FRONTEND=noninteractive apt-get /);
  });

  test("of an ordinary user without sudo runs nothing and says what root has to type", () => {
    const plan = installPlan(["make"], { ...debian, uid: 1000 });
    assert.deepEqual(plan.commands, []);
    assert.match(plan.hint ?? "", /^as root \(sudo is missing\): apt-get install .*make$/);
  });

  for (const [manager, line] of [
    ["dnf", /^sudo dnf install qemu-system-x86-core$/],
    ["pacman", /^sudo pacman -S qemu-system-x86$/],
    ["unknown", /^install with this host's package manager: qemu-system-x86_64$/],
  ] as const) {
    test(`with ${manager} is a line to type`, () => {
      const plan = installPlan(["qemu-system-x86_64"], { manager, uid: 1000, sudo: true });
      assert.deepEqual(plan.commands, []);
      assert.match(plan.hint ?? "", line);
    });
  }

  test("names what a distribution does not have", () => {
    const { hint } = installPlan(["make", "mmdebstrap"], { manager: "pacman", uid: 0, sudo: false });
    assert.equal(hint, "pacman -S make; not packaged here: mmdebstrap (a Debian or Ubuntu host has them)");
    const nothing = installPlan(["mmdebstrap"], { manager: "pacman", uid: 0, sudo: false });
    assert.match(nothing.hint ?? "", /^not packaged here/);
  });

  test("for nothing is empty", () => {
    assert.deepEqual(installPlan([], debian), { packages: [], commands: [], hint: null });
  });
});

test("every tool has an entry: one without is taken as a package name, which exists nowhere", () => {
  const samePackage = ["gcc", "git", "make", "npm", "passt"]; // and mmdebstrap comes with Debian's keys
  for (const { name } of TOOLS)
    if (!samePackage.includes(name)) assert.notDeepEqual(packagesFor([name], "apt"), [name], name);
});

test("the package manager is told from os-release, derivatives included", () => {
  assert.equal(packageManagerOf('NAME="Debian"\nID=debian\n'), "apt");
  assert.equal(packageManagerOf('ID=linuxmint\nID_LIKE="ubuntu debian"\n'), "apt");
  assert.equal(packageManagerOf('ID="rocky"\nID_LIKE="rhel centos fedora"\n'), "dnf");
  assert.equal(packageManagerOf("ID=arch\n"), "pacman");
  assert.equal(packageManagerOf('NAME="debian like"\nID=other\n'), "unknown");
  assert.equal(packageManagerOf(""), "unknown");
});

describe("running a plan", () => {
  const plan = installPlan(["make"], debian);

  test("goes on when a source cannot be refreshed", async () => {
    const ran: string[] = [];
    await runInstallPlan(plan, async (program, args) => {
      ran.push([program, ...args].join(" "));
      return args.includes("update") ? 100 : 0;
    });
    assert.deepEqual(ran, lines(plan));
  });

  test("fails with the packages, the reason and the line to type", async () => {
    const failure = { code: "installation_failed", message: /make.*code 100/, hint: /apt-get install/ };
    await assert.rejects(
      runInstallPlan(plan, async () => 100),
      failure,
    );
  });

  test("says so when the package manager cannot be started", async () => {
    await assert.rejects(
      runInstallPlan(plan, async (program) => {
        throw new ProcessError(program, "spawn env ENOENT", null, "");
      }),
      { code: "installation_failed", message: /ENOENT/ },
    );
  });
});
