import assert from "node:assert/strict";
import { test } from "node:test";
import { Leases } from "../../../src/daemon/leases.ts";

test("everything under a lease is cleaned up once when it ends, and its end waits for that", async () => {
  const leases = new Leases();
  const lease = leases.open();
  const cleaned: string[] = [];
  for (const name of ["a", "b"]) {
    leases.attach(lease, async () => {
      await Promise.resolve();
      cleaned.push(name);
    });
  }
  await leases.close(lease);
  assert.deepEqual(cleaned.sort(), ["a", "b"]);
  await leases.close(lease);
  await leases.closeAll();
  assert.equal(cleaned.length, 2);
});

test("leases do not touch each other", async () => {
  const leases = new Leases();
  const [first, second] = [leases.open(), leases.open()];
  assert.notEqual(first, second);
  const cleaned: string[] = [];
  leases.attach(first, async () => void cleaned.push("first"));
  leases.attach(second, async () => void cleaned.push("second"));
  await leases.close(first);
  assert.deepEqual(cleaned, ["first"]);
  await leases.closeAll();
  assert.deepEqual(cleaned, ["first", "second"]);
});

test("nothing can be made under a lease that has ended or never was", async () => {
  const leases = new Leases();
  const lease = leases.open();
  await leases.close(lease);
  for (const id of [lease, "ls-000000"])
    assert.throws(() => leases.attach(id, async () => {}), {
      code: "invalid_argument",
      message: new RegExp(id),
    });
});

test("a clean-up that fails does not keep the others from running", async () => {
  const leases = new Leases();
  const lease = leases.open();
  let cleaned = false;
  leases.attach(lease, () => Promise.reject(new Error("broken")));
  leases.attach(lease, async () => {
    cleaned = true;
  });
  await leases.close(lease).catch(() => {});
  assert.ok(cleaned);
});
