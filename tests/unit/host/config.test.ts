import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { GIB, MIB } from "../../../src/core/units.ts";
import { readConfig } from "../../../src/host/config-file.ts";
import { temporaryPaths } from "../../support/temporary.ts";

async function read(t: TestContext, toml: string) {
  const paths = temporaryPaths(t);
  mkdirSync(paths.config, { recursive: true });
  writeFileSync(join(paths.config, "config.toml"), toml);
  return readConfig(paths);
}

test("no file is a file without keys", async (t) => {
  const config = await readConfig(temporaryPaths(t));
  assert.deepEqual(config, await read(t, ""));
  assert.equal(config.default_image, "debian-slim");
  assert.equal(config.driver, "auto");
});

test("values are read; sizes with and without unit", async (t) => {
  const config = await read(
    t,
    'log_level = "debug"\ndriver = "qemu"\n[vm_defaults]\nvcpu = 3\nmemory = 4096\ndisk_size = "20G"\n',
  );
  assert.equal(config.log_level, "debug");
  assert.deepEqual(config.vm_defaults, { vcpu: 3, memory: 4096 * MIB, disk_size: 20 * GIB });
  assert.equal((await read(t, "vm_defaults = { disk_size = 5 }")).vm_defaults.disk_size, 5 * GIB);
});

for (const [what, toml, expected] of [
  ["an unknown key", '\nimgae = "x"', /line 2: imgae: /],
  ["an unknown key in a table", "[vm_defaults]\nvcpu = 1\ncpus = 2", /line 3: vm_defaults\.cpus: /],
  ["an unknown table", 'driver = "qemu"\n[vms]\na = 1', /line 2: vms: /],
  ["a value that is none of those accepted", '# note\ndriver="vmware"', /line 2: driver: .*"auto".*"qemu"/],
  ["a value of the wrong type", "default_image = 3", /line 1: default_image: .*string/],
  ["a number that cannot be", "[vm_defaults]\n\n  vcpu = 0", /line 3: vm_defaults\.vcpu: /],
  ["a dotted key", "vm_defaults.vcpu = 1.5", /line 1: vm_defaults\.vcpu: /],
  ["a key in an inline table", '\nvm_defaults = { vcpu = "two" }', /line 2: vm_defaults\.vcpu: /],
  ["a size that is none", '[vm_defaults]\nmemory = "lots"', /line 2: vm_defaults\.memory: .*lots.*512M/s],
  ["text that is not TOML", '# fine\nlog_level = "info"\ndriver = "qemu\n', /line 3/],
] as const) {
  test(`${what} is an error that names it, its line and the file`, async (t) => {
    await assert.rejects(read(t, toml), (error: Error & { code?: string; hint?: string }) => {
      assert.equal(error.code, "invalid_config");
      assert.match(error.message, expected);
      assert.match(error.message, /config\.toml/);
      return true;
    });
  });
}

test("a config that cannot be read is told with its path", async (t) => {
  const paths = temporaryPaths(t);
  mkdirSync(join(paths.config, "config.toml"), { recursive: true });
  await assert.rejects(readConfig(paths), { code: "state_unreadable", message: /config\.toml/ });
});
