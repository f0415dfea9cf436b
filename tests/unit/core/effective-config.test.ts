/** What `config show` tells: values and where they come from. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "smol-toml";
import { configSchema, parseConfig } from "../../../src/core/config.ts";
import { effectiveValues } from "../../../src/core/effective-config.ts";
import { GIB } from "../../../src/core/units.ts";
import { vmDefaults } from "../../../src/host/vm-defaults.ts";

function show(text: string): Record<string, readonly [unknown, string, number | null]> {
  const written = parse(text);
  const config = parseConfig(written, "config.toml", text);
  const sizes = vmDefaults(config, { cpus: 16, memoryBytes: 24 * GIB });
  return Object.fromEntries(
    effectiveValues(written, text, config, sizes).map(({ key, value, from, line }) => [
      key,
      [value, from, line],
    ]),
  );
}

test("without a file every key has its own value or the host's", () => {
  const shown = show("");
  assert.deepEqual(shown.driver, ["auto", "builtin", null]);
  assert.deepEqual(shown.qemu_bin, [null, "builtin", null]);
  assert.deepEqual(shown["vm_defaults.vcpu"], [4, "auto", null]);
  assert.deepEqual(shown["vm_defaults.memory"], ["3072M", "auto", null]);
  assert.deepEqual(shown["vm_defaults.disk_size"], ["8G", "builtin", null]);
  assert.deepEqual(shown.file_sync, [[], "builtin", null]);
});

test("every key of the schema is shown", () => {
  const shown = Object.keys(show(""));
  for (const key of Object.keys(configSchema.shape))
    assert.ok(
      shown.some((name) => name === key || name.startsWith(`${key}.`)),
      key,
    );
});

test("what the file says is shown with its line", () => {
  const shown = show(`# mine
driver = "qemu"
[vm_defaults]
disk_size = 20
[[file_sync]]
host = "~/a"
guest = "~/a"
[[file_sync]]
host = "/b"
guest = "~/b"
mode = "0644"
`);
  assert.deepEqual(shown.driver, ["qemu", "config", 2]);
  assert.deepEqual(shown["vm_defaults.disk_size"], ["20G", "config", 4]);
  assert.deepEqual(shown["vm_defaults.vcpu"], [4, "auto", null]);
  assert.deepEqual(shown["file_sync[0].guest"], ["/root/a", "config", 7]);
  assert.deepEqual(shown["file_sync[0].mode"], ["0600", "builtin", null]);
  assert.deepEqual(shown["file_sync[1].mode"], ["0644", "config", 11]);
});
