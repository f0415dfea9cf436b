import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Driver, DriverStatus } from "../../../src/vmm/driver.ts";
import { Drivers } from "../../../src/vmm/drivers.ts";
import type { DriverFeatures } from "../../../src/vmm/features.ts";

const ALL: DriverFeatures = {
  emulation: true,
  nested: true,
  nat: true,
  netRate: true,
  diskRate: true,
  growDisk: true,
  pause: true,
  snapshot: true,
};
const USABLE: DriverStatus = { usable: true, version: "1", accelerator: "kvm", why: "" };
const ABSENT: DriverStatus = { usable: false, reason: "it is absent", fix: "get it", packages: [] };

const driver = (name: string, features: Partial<DriverFeatures>, status: DriverStatus) =>
  ({ name, features: { ...ALL, ...features }, probe: async () => status }) as unknown as Driver;

const chosen = async (drivers: Driver[], wanted: string, ...features: (keyof DriverFeatures)[]) =>
  (await new Drivers(drivers).select(wanted, features)).driver.name;

describe("the choice of a driver", () => {
  const quick = driver("quick", { nested: false }, USABLE);
  const slow = driver("slow", {}, USABLE);
  const absent = driver("absent", {}, ABSENT);

  test("auto takes the first that can be used", async () => {
    assert.equal(await chosen([quick, slow], "auto"), "quick");
    assert.equal(await chosen([absent, slow], "auto"), "slow");
  });

  test("auto passes over one that lacks what the VM asks for", async () => {
    assert.equal(await chosen([quick, slow], "auto", "nested"), "slow");
  });

  test("one that is named is used or refused, never replaced", async () => {
    assert.equal(await chosen([quick, slow], "slow"), "slow");
    await assert.rejects(chosen([absent, slow], "absent"), {
      message: /driver absent .*: it is absent/,
      hint: "get it",
    });
    await assert.rejects(chosen([quick, slow], "quick", "nested"), {
      code: "driver_unavailable",
      hint: /--nested/,
    });
    await assert.rejects(chosen([quick], "xen"), { hint: "choose one of: quick, auto" });
  });

  test("when none can be used, the last one's reason is told: it needs least", async () => {
    await assert.rejects(
      chosen([absent, driver("last", {}, { ...ABSENT, reason: "no luck" })], "auto"),
      /no luck/,
    );
  });
});
