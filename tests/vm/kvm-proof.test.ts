/** The proof of KVM: what counts as a boot. How long a result is kept: tests/unit/vmm/kvm-proof.test.ts. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { exists } from "../../src/host/files.ts";
import { resolvePaths } from "../../src/host/paths.ts";
import { findTool } from "../../src/host/tools.ts";
import { elfKernel } from "../../src/kernels/elf-kernel.ts";
import { DEFAULT_KERNEL, KernelStore } from "../../src/kernels/store.ts";
import { kvmFacts } from "../../src/vmm/accelerator.ts";
import { tryBoot } from "../../src/vmm/kvm-proof.ts";
import { kernelFile } from "../../src/vmm/qemu/arguments.ts";
import { makeHome } from "../support/home.ts";
import { quietly } from "../support/launch-spec.ts";
import { qemuMissing } from "../support/suite-driver.ts";

describe("the proof", { skip: qemuMissing() }, async () => {
  const home = await makeHome();
  let qemu: string;
  let kernel: string;
  let backend: string | null;
  before(async () => {
    qemu = (await findTool("qemu-system-x86_64")) ?? assert.fail("QEMU is not installed");
    const paths = resolvePaths(home.env);
    const stored = await new KernelStore({ paths }).ensure(DEFAULT_KERNEL, quietly);
    kernel = kernelFile({ image: stored.vmlinuz, elf: await elfKernel(paths.cache, stored) });
    backend = (await kvmFacts()).backend;
  });

  test("a stock kernel boots until it finds no root; what is no kernel does not", async () => {
    const accelerator = backend ? "kvm" : "tcg";
    assert.deepEqual(await tryBoot(qemu, kernel, accelerator), { result: "boots" });
    const junk = join(home.path, "junk");
    await writeFile(junk, "no kernel at all");
    assert.equal((await tryBoot(qemu, junk, accelerator)).result, "fails");
    const late = await tryBoot(qemu, kernel, accelerator, 50);
    assert.ok(late.result === "fails" && /no sign of an end/.test(late.reason));
  });

  test("a device without hardware behind it fails it", async (t) => {
    if (!(await exists("/dev/kvm"))) return t.skip("there is no /dev/kvm");
    if (backend) return t.skip(`KVM has hardware here: ${backend}`);
    assert.equal((await tryBoot(qemu, kernel, "kvm", 5000)).result, "fails");
  });
});
