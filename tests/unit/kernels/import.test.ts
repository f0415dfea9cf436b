/** Kernels of the user's files: what is taken, what is refused, and that nothing of what is refused stays. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { silent, type Work } from "../../../src/core/stage.ts";
import { exportKernel } from "../../../src/kernels/export.ts";
import { BOOT_MODULES } from "../../../src/kernels/modules.ts";
import { KernelStore } from "../../../src/kernels/store.ts";
import { bzImage, fakeElf, GOOD_CONFIG } from "../../support/kernels.ts";
import { temporaryFolder, temporaryPaths } from "../../support/temporary.ts";

const RELEASE = "6.1.0-fake";
const compressed = (elf = fakeElf()) => bzImage(gzipSync(elf), null);
/** Everything that boot needs is built in, says the list that the kernel's build leaves. */
const BUILT_IN = BOOT_MODULES.map(({ name }) => `kernel/${name}.ko\n`).join("");

describe("kernel import", () => {
  let folder: string;
  let store: KernelStore;
  let stored: string;
  const notices: string[] = [];
  const work: Work = {
    report: { ...silent, notice: (text) => notices.push(text) },
    signal: new AbortController().signal,
  };
  const put = (name: string, content: string | Buffer) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const imported = () => store.import("mine", { from: folder }, work);
  const refused = async (message: RegExp, source = imported()) => {
    await assert.rejects(source, { code: "kernel_refused", message });
    assert.deepEqual(await store.list(), []);
    assert.deepEqual(
      readdirSync(stored).filter((name) => name !== "names.json"),
      [],
    );
  };
  beforeEach((t) => {
    const context = t as TestContext;
    const paths = temporaryPaths(context);
    folder = temporaryFolder(context);
    store = new KernelStore({ paths });
    stored = join(paths.state, "kernels");
    mkdirSync(stored, { recursive: true, mode: 0o700 });
    notices.length = 0;
  });

  test("a bzImage that carries its configuration, without modules", async () => {
    put("vmlinuz", compressed());
    const { release, modules, bootModules, config, source, vmlinuz } = await imported();
    assert.deepEqual(
      { release, modules, bootModules, source },
      { release: RELEASE, modules: null, bootModules: [], source: "import" },
    );
    assert.equal(readFileSync(config ?? "", "utf8"), GOOD_CONFIG);
    assert.ok(readFileSync(vmlinuz).equals(compressed()));
    assert.deepEqual(notices, []);
  });

  test("what the kernel's own build leaves, an unpacked package, and ELF", async () => {
    put("vmlinux", "the build's other result is not looked at");
    put("arch/x86/boot/bzImage", compressed());
    assert.equal((await imported()).release, RELEASE);
    folder = join(folder, "package");
    put(`boot/vmlinuz-${RELEASE}`, compressed(fakeElf({ config: null })));
    put(`boot/config-${RELEASE}`, GOOD_CONFIG.replaceAll("=y", "=m"));
    put(`lib/modules/${RELEASE}/modules.builtin`, BUILT_IN);
    put(`lib/modules/${RELEASE}/modules.order`, "");
    symlinkSync("/usr/src", join(folder, `lib/modules/${RELEASE}/build`));
    const withModules = await imported();
    assert.ok(withModules.modules);
    assert.ok(
      !execFileSync("unsquashfs", ["-l", withModules.modules], { encoding: "utf8" }).includes("build"),
    );
    const elf = put("elf", fakeElf());
    const { modules } = await store.import("elf", { vmlinuz: elf, modules: null, config: null }, work);
    assert.equal(modules, null);
  });

  test("what is exported is imported as the same kernel, with modules and without", async () => {
    put("vmlinuz", compressed());
    const plain = await imported();
    put(`lib/modules/${RELEASE}/modules.builtin`, BUILT_IN);
    put(`lib/modules/${RELEASE}/modules.order`, "");
    const modular = await imported();
    assert.notEqual(modular.digest, plain.digest);
    for (const [index, kernel] of [plain, modular].entries()) {
      const target = join(folder, `out-${index}`);
      await exportKernel(kernel, target, work);
      assert.equal((await store.import("again", { from: target }, work)).digest, kernel.digest);
      await assert.rejects(exportKernel(kernel, target, work), { code: "kernel_export_failed" });
    }
  });

  test("names: moved by a later import, several for one kernel, forgotten one by one", async () => {
    put("vmlinuz", compressed());
    const first = await imported();
    assert.equal((await store.import("other", { from: folder }, work)).digest, first.digest);
    assert.deepEqual((await store.list()).map(({ name }) => name).sort(), ["mine", "other"]);
    put("vmlinuz", compressed(fakeElf({ release: "6.2.0" })));
    const second = await imported();
    assert.equal((await store.find("mine")).digest, second.digest);
    assert.equal((await store.find(first.digest.slice(0, 8))).name, "other");
    assert.equal(await store.forget(second), false);
    for (const name of ["debian-cloud", "../x", "Mine", "", "a".repeat(65)])
      await assert.rejects(store.import(name, { from: folder }, work), { code: "invalid_argument" });
  });

  test("a kernel that could not boot a VM is refused with what it lacks", async () => {
    put("vmlinuz", compressed(fakeElf({ config: GOOD_CONFIG.replace("CONFIG_OVERLAY_FS=y", "") })));
    await refused(/lacks CONFIG_OVERLAY_FS built in \(no modules were given\)/);
    put("vmlinuz", compressed(fakeElf({ config: GOOD_CONFIG.replaceAll("=y", "=m") })));
    await refused(/lacks CONFIG_BLK_DEV_INITRD, /);
    put(`lib/modules/${RELEASE}/modules.builtin`, BUILT_IN.replace("kernel/squashfs.ko\n", ""));
    put(`lib/modules/${RELEASE}/modules.order`, "");
    await refused(/it has no squashfs/);
  });

  test("without a configuration that is told", async () => {
    put("vmlinuz", compressed(fakeElf({ config: null })));
    assert.equal((await imported()).config, null);
    assert.match(notices.join(), /brings neither modules nor a configuration/);
  });

  test("what is ambiguous, missing, of another release or no kernel is refused by name", async () => {
    await refused(/holds no vmlinuz/);
    put("vmlinuz", "MZ");
    await refused(/neither ELF nor a bzImage/);
    put("vmlinuz", compressed(fakeElf({ release: "not a release" })));
    await refused(/does not tell its release/);
    put("vmlinuz", compressed());
    put("lib/modules/5.10.0/modules.order", "");
    await refused(/it is 6\.1\.0-fake, but the modules in .* are of 5\.10\.0/);
    put("vmlinuz-6.2", compressed());
    await refused(/holds several: .*vmlinuz, .*vmlinuz-6\.2; name one with --vmlinuz/);
    const vmlinuz = join(folder, "vmlinuz");
    const modules = put("etc/passwd", "root");
    await refused(
      /no folder of kernel modules/,
      store.import("mine", { vmlinuz, modules: dirname(modules), config: null }, work),
    );
  });

  test("no link in the folder is followed, neither of the kernel nor of its modules", async () => {
    const elsewhere = put("elsewhere/kernel", compressed());
    folder = join(folder, "given");
    mkdirSync(folder);
    symlinkSync(elsewhere, join(folder, "vmlinuz"));
    await refused(/holds no vmlinuz/);
    // Whoever names the link itself means what it leads to, as with /boot/vmlinuz.
    const named = { vmlinuz: join(folder, "vmlinuz"), modules: null, config: null };
    assert.equal((await store.import("mine", named, work)).release, RELEASE);
  });

  test("packed modules whose lists or links lead out of them are refused", async () => {
    put("given/vmlinuz", compressed());
    const secret = put("virtio_mmio.ko", "a secret of the host's");
    put("modules/modules.builtin", BUILT_IN.replace("kernel/virtio_mmio.ko\n", ""));
    const pack = (dep: string) => {
      put("modules/modules.dep", dep);
      const [from, to] = [join(folder, "modules"), join(folder, "given/modules.squashfs")];
      execFileSync("mksquashfs", [from, to, "-noappend", "-quiet", "-no-progress"]);
      return store.import("mine", { from: join(folder, "given") }, work);
    };
    await refused(/not among its modules/, pack("../../../../../../../../virtio_mmio.ko:\n"));
    await refused(/not among its modules/, pack(`${secret}:\n`));
    symlinkSync(secret, join(folder, "modules/virtio_mmio.ko"));
    await refused(/not among its modules/, pack("virtio_mmio.ko:\n"));
    put("given/modules.squashfs", "no squashfs");
    await refused(/SQUASHFS superblock/, store.import("mine", { from: join(folder, "given") }, work));
  });
});
