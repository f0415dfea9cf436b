/** The proof of KVM: what counts as a boot, and how long a result is kept. */
import assert from "node:assert/strict";
import { chmod, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { exists } from "../../src/host/files.ts";
import { resolvePaths } from "../../src/host/paths.ts";
import { findTool } from "../../src/host/tools.ts";
import { DEFAULT_KERNEL, KernelStore } from "../../src/kernels/store.ts";
import { proveKvm, tryBoot } from "../../src/vmm/kvm-proof.ts";
import { makeHome } from "../support/home.ts";
import { quietly } from "../support/launch-spec.ts";

describe("the proof", async () => {
  const home = await makeHome();
  let qemu: string;
  let kernel: string;
  before(async () => {
    qemu = (await findTool("qemu-system-x86_64")) ?? assert.fail("QEMU is not installed");
    kernel = (await new KernelStore({ paths: resolvePaths(home.env) }).ensure(DEFAULT_KERNEL, quietly))
      .vmlinuz;
  });

  test("a stock kernel boots until it finds no root; what is no kernel does not", async () => {
    assert.deepEqual(await tryBoot(qemu, kernel, "tcg"), { result: "boots" });
    const junk = join(home.path, "junk");
    await writeFile(junk, "no kernel at all");
    assert.equal((await tryBoot(qemu, junk, "tcg")).result, "fails");
    const late = await tryBoot(qemu, kernel, "tcg", 50);
    assert.ok(late.result === "fails" && /no sign of an end/.test(late.reason));
  });

  test("a device without hardware behind it fails it", async (t) => {
    if (!(await exists("/dev/kvm"))) return t.skip("there is no /dev/kvm");
    if (await exists("/sys/module/kvm_intel")) return t.skip("KVM has hardware here");
    if (await exists("/sys/module/kvm_amd")) return t.skip("KVM has hardware here");
    assert.equal((await tryBoot(qemu, kernel, "kvm", 5000)).result, "fails");
  });

  test("is kept for this program as it is, not kept when nothing may change, and made anew when QEMU changes", async () => {
    const counter = join(home.path, "tries");
    const program = join(home.path, "qemu");
    await writeFile(program, `#!/bin/sh\necho try >>'${counter}'\necho 'Unable to mount root fs'\n`);
    await chmod(program, 0o755);
    const tries = async () => (await readFile(counter, "utf8")).trim().split("\n").length;
    const inputs = { program, kernel, cache: join(home.path, "proofs") };
    assert.deepEqual(await proveKvm({ ...inputs, keep: false }), { result: "boots" });
    assert.equal(await exists(inputs.cache), false);
    await proveKvm({ ...inputs, keep: true });
    await proveKvm({ ...inputs, keep: true });
    assert.equal(await tries(), 2);
    const { atime } = await stat(program);
    await utimes(program, atime, new Date(2001, 1, 1));
    await proveKvm({ ...inputs, keep: true });
    assert.equal(await tries(), 3);
    assert.deepEqual(await proveKvm({ ...inputs, kernel: null, keep: true }), { result: "untried" });
  });
});
