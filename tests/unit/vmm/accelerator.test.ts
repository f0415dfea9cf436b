import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseAccelerator, type KvmFacts } from "../../../src/vmm/accelerator.ts";
import type { Proof } from "../../../src/vmm/kvm-proof.ts";

const HARDWARE: KvmFacts = { device: "open", backend: "kvm_amd", virtual: false };

const choose = (facts: Partial<KvmFacts>, proof?: Proof) =>
  chooseAccelerator({ ...HARDWARE, ...facts }, async () => proof ?? assert.fail("nothing had to be proved"));

test("a device that opens with its hardware's module is KVM", async () => {
  assert.deepEqual(await choose({}), {
    accelerator: "kvm",
    why: "hardware virtualization (KVM, kvm_amd)",
  });
});

test("a device that is absent, closed to this user, or without hardware behind it is not, and nothing is tried", async () => {
  for (const [facts, why] of [
    [{ device: "absent" }, /there is no \/dev\/kvm/],
    [{ device: "closed" }, /cannot be opened by this user/],
    [{ backend: null }, /no hardware backend/],
    [{ backend: null, virtual: true }, /no hardware backend/],
  ] as const) {
    const choice = await choose(facts);
    assert.equal(choice.accelerator, "tcg");
    assert.match(choice.why, why);
  }
});

test("on a host that is virtual itself a kernel must boot with it", async () => {
  assert.match((await choose({ virtual: true }, { result: "boots" })).why, /proved by a boot/);
  const failed = await choose({ virtual: true }, { result: "fails", reason: "it hung" });
  assert.equal(failed.accelerator, "tcg");
  assert.match(failed.why, /no kernel boots with them: it hung/);
});

test("without a kernel to try it with the choice is for now only", async () => {
  const choice = await choose({ virtual: true }, { result: "untried" });
  assert.deepEqual([choice.accelerator, choice.provisional], ["kvm", true]);
});
