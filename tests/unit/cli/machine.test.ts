/** The VM that is asked for: limits, defaults, the line that shows it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LIMITS as CONTRACT } from "../../../src/api/schemas.ts";
import {
  completeMachine,
  LIMITS,
  machineOptions,
  specLead,
  specLine,
} from "../../../src/cli/options/machine.ts";
import { BangerError } from "../../../src/core/errors.ts";
import { GIB, MIB } from "../../../src/core/units.ts";

const defaults = {
  vcpu: { value: 2, origin: "auto" },
  memoryMib: { value: 2048, origin: "auto" },
  diskBytes: { value: 8 * GIB, origin: "builtin" },
} as const;
const host = { cpus: 4, memoryBytes: 8 * GIB };
const nothing = {
  name: undefined,
  image: undefined,
  kernel: undefined,
  vcpu: undefined,
  memory: undefined,
  diskSize: undefined,
  driver: undefined,
  cold: false,
  nested: false,
  nat: false,
  diskRate: undefined,
  netRate: undefined,
  publish: [],
  wait: undefined,
  ttl: undefined,
  yes: false,
};

describe("the machine options", () => {
  test("accept what the contract accepts", () => {
    assert.deepEqual(LIMITS, CONTRACT);
  });

  test("read numbers and sizes at their bounds", () => {
    const { vcpu, memory, diskSize } = machineOptions;
    assert.deepEqual([vcpu.parse?.("1"), vcpu.parse?.("64")], [1, 64]);
    assert.deepEqual(
      [memory.parse?.("2048"), memory.parse?.("4GiB"), memory.parse?.("128M")],
      [2048, 4096, 128],
    );
    assert.deepEqual([diskSize.parse?.("8"), diskSize.parse?.("256M")], [8 * GIB, 256 * MIB]);
  });

  for (const [option, ...values] of [
    ["vcpu", "0", "-1", "65", "1.5", "two", "", "1e1"],
    ["memory", "0", "-1", "127M", "2T", "much", ""],
    ["diskSize", "0", "-1", "255M", "17T", "lots", ""],
    [
      "diskRate",
      "0",
      "10",
      "2048T",
      "10M,burst=1M",
      "10M,iops=1",
      "10M,iops=",
      "10M,10M",
      "fast",
      "10M,iops=9,iops=9",
    ],
    ["netRate", "0", "1K", "10M,iops=500", "10M,burst=", "10M,burst=20M,burst=20M"],
    ["ttl", "0", "-1", "999ms", "366d", "soon", ""],
    ["name", "Upper", "under_score", "-dash", "dash-", "a.b", "", "x".repeat(64)],
  ] as const) {
    test(`refuse for ${option}: ${values.map((value) => JSON.stringify(value.slice(0, 12))).join(" ")}`, () => {
      for (const value of values) {
        assert.throws(
          () => machineOptions[option].parse?.(value),
          (error) => error instanceof BangerError && error.exit === 2,
          value,
        );
      }
    });
  }
});

describe("completeMachine", () => {
  test("makes every size explicit and sends nothing else that was not asked for", () => {
    assert.deepEqual(completeMachine(nothing, defaults, "debian-slim", host), {
      image: "debian-slim",
      vcpu: 2,
      memoryMib: 2048,
      diskBytes: 8 * GIB,
    });
  });

  test("puts what was asked for before the defaults", () => {
    const asked = {
      ...nothing,
      name: "box",
      image: "other",
      vcpu: 4,
      memory: 512,
      diskSize: GIB,
      nested: true,
      publish: [{ address: null, hostPort: 8080, guestPort: 80 }],
    };
    assert.deepEqual(completeMachine(asked, defaults, "debian-slim", host), {
      name: "box",
      image: "other",
      vcpu: 4,
      memoryMib: 512,
      diskBytes: GIB,
      nested: true,
      publish: asked.publish,
    });
  });

  test("refuses more than the host has, with how much it has", () => {
    for (const [asked, has] of [
      [{ vcpu: 5 }, /4/],
      [{ memory: 8193 }, /8G/],
    ] as const) {
      assert.throws(
        () => completeMachine({ ...nothing, ...asked }, defaults, "i", host),
        (error: BangerError) => {
          assert.equal(error.exit, 2);
          assert.match(error.hint, has);
          return true;
        },
      );
    }
  });
});

test("the spec line names sizes, driver, accelerator and image", () => {
  const machine = completeMachine(nothing, defaults, "debian-slim", host);
  const line = (detail: string) => specLine(machine, { name: "qemu", usable: true, detail });
  assert.equal(line("QEMU 7.2 with KVM"), "spec: 2 vcpu | 2048 MiB | 8G disk | qemu/kvm | debian-slim");
  const ports = { ...machine, publish: [{ address: "::1", hostPort: 0, guestPort: 80 }] };
  assert.match(specLine(ports, { name: "qemu", usable: true, detail: "" }), / \| ports \[::1\]:0:80$/);
  assert.equal(
    line("software emulation (TCG): /dev/kvm is not there, so no KVM"),
    "spec: 2 vcpu | 2048 MiB | 8G disk | qemu/tcg | debian-slim",
  );
});

test("the spec line names what runs the VM, which need not be what the daemon takes by itself", () => {
  const machine = completeMachine({ ...nothing, driver: "qemu" }, defaults, "debian-slim", host);
  const usual = {
    name: "firecracker",
    usable: true,
    detail: "Firecracker 1.17.0, hardware virtualization (KVM)",
  };
  assert.match(specLine(machine, usual), / \| qemu \| /);
  const lead = specLead({ ...machine, driver: "auto", nested: true }, usual);
  assert.match(
    lead({ type: "stage", name: "booting", detail: "qemu/kvm" }) ?? "",
    / \| qemu\/kvm \| .*start: cold$/,
  );
});

test("the spec line comes once, when it shows how the VM comes up", () => {
  const machine = completeMachine(nothing, defaults, "debian-slim", host);
  const driver = { name: "qemu", usable: true, detail: "" };
  const said = (...names: string[]) => {
    const lead = specLead(machine, driver);
    const lines = names.map((name) => lead({ type: "stage", name, detail: null }));
    return lines.map((line) => line && /start: (\w+)$/.exec(line)?.[1]);
  };
  assert.deepEqual(said("creating", "starting warm", "booting"), [null, "warm", null]);
  assert.deepEqual(said("creating", "booting", "waiting for the system"), [null, "cold", null]);
  assert.deepEqual(said("building image", "creating", "booting"), ["cold", null, null]);
});
