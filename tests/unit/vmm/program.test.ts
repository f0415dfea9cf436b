import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findProgram } from "../../../src/vmm/program.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const found = (path: string) => findProgram("qemu-x", "qemu_bin", path);

test("a program that config.toml names is used when it can be executed", async (t) => {
  const path = join(temporaryFolder(t), "my qemu");
  writeFileSync(path, "#!/bin/sh\n");
  chmodSync(path, 0o755);
  assert.deepEqual(await found(path), { path });
});

test("what is wrong with a program is named, with the key to correct", async (t) => {
  const folder = temporaryFolder(t);
  const plain = join(folder, "plain");
  writeFileSync(plain, "#!/bin/sh\n", { mode: 0o600 });
  const foreign = join(folder, "foreign");
  const elf = Buffer.alloc(64);
  elf.write("\x7fELF", "latin1");
  elf.writeUInt16LE(arch() === "arm64" ? 62 : 183, 18);
  writeFileSync(foreign, elf, { mode: 0o755 });
  chmodSync(foreign, 0o755);
  mkdirSync(join(folder, "folder"));
  const cases: [string, RegExp][] = [
    [join(folder, "absent"), /does not exist/],
    [plain, /is not executable/],
    [join(folder, "folder"), /is not a file/],
    [foreign, /is built for \w+, this host is/],
  ];
  for (const [path, problem] of cases) {
    const result = await found(path);
    assert.equal(result.path, null);
    assert.match(result.problem ?? "", problem);
    assert.ok(result.path === null && result.fix.includes("qemu_bin"));
  }
});

test("a program that is nowhere is told with how to name it", async () => {
  const result = await findProgram("no-such-monitor", "qemu_bin", undefined);
  assert.ok(result.path === null && /not installed/.test(result.problem) && /qemu_bin/.test(result.fix));
});
