/** How long the proof of KVM is kept. What counts as a boot: tests/vm/kvm-proof.test.ts. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cp, utimes } from "node:fs/promises";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import { exists } from "../../../src/host/files.ts";
import { proveKvm } from "../../../src/vmm/kvm-proof.ts";

describe("the proof of KVM", () => {
  const folder = mkdtempSync(join(tmpdir(), "banger-proof-"));
  after(() => rmSync(folder, { recursive: true }));
  const counter = join(folder, "tries");
  const program = join(folder, "qemu");
  const cache = join(folder, "cache");
  const kept = join(cache, "kvm-proof.json");
  const inputs = { program, kernel: "/a/kernel", cache, keep: true };
  const tries = () => readFileSync(counter, "utf8").length;

  /** A QEMU in which a kernel boots, or `says` something else, that counts how often it was started. */
  const qemu = (says = "VFS: Unable to mount root fs") =>
    writeFileSync(program, `#!/bin/sh\nprintf x >>'${counter}'\necho '${says}'\n`, { mode: 0o755 });

  beforeEach(() => {
    writeFileSync(counter, "");
    rmSync(cache, { recursive: true, force: true });
    qemu();
  });

  test("is made once, whatever came of it", async () => {
    qemu("it hangs here");
    const failed = { result: "fails", reason: "it hangs here" };
    assert.deepEqual(await proveKvm(inputs), failed);
    assert.deepEqual(await proveKvm(inputs), failed);
    assert.equal(tries(), 1);
  });

  test("is not kept for looks that must change nothing, but what is kept serves them", async () => {
    const look = { ...inputs, keep: false };
    assert.deepEqual(await proveKvm(look), { result: "boots" });
    assert.equal(await exists(cache), false);
    await proveKvm(inputs);
    await proveKvm(look);
    assert.equal(tries(), 2);
  });

  test("without a kernel or a QEMU nothing is tried", async () => {
    for (const missing of [{ kernel: null }, { program: null }])
      assert.deepEqual(await proveKvm({ ...inputs, ...missing }), { result: "untried" });
    assert.equal(tries(), 0);
  });

  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  const changes: Record<string, () => Promise<unknown>> = {
    "the host's boot": async () => rewrite(boot, "00000000-0000-4000-8000-000000000000"),
    "the host's kernel": async () => rewrite(release(), "5.10.0-before"),
    "QEMU's time": () => utimes(program, new Date(), new Date(2001, 1, 1)),
    "the kept result, which cannot be read,": async () => writeFileSync(kept, "{"),
  };
  for (const [what, change] of Object.entries(changes))
    test(`is made anew when ${what} is another`, async () => {
      await proveKvm(inputs);
      await change();
      assert.deepEqual(await proveKvm(inputs), { result: "boots" });
      await proveKvm(inputs);
      assert.equal(tries(), 2);
    });

  test("is made anew for another QEMU", async () => {
    await proveKvm(inputs);
    const other = join(folder, "other-qemu");
    await cp(program, other);
    await proveKvm({ ...inputs, program: other });
    assert.equal(tries(), 2);
  });

  /** As if the kept result were of before. */
  function rewrite(now: string, before: string): void {
    const text = readFileSync(kept, "utf8");
    assert.ok(text.includes(now));
    writeFileSync(kept, text.replace(now, before));
  }
});
