import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readConfig } from "../../../src/host/config-file.ts";
import { knownConfig } from "../../../src/host/known-config.ts";
import { temporaryPaths } from "../../support/temporary.ts";

test("a configuration that is known from the last time is what it says now, or the same error", async (t) => {
  const paths = temporaryPaths(t);
  assert.deepEqual(await knownConfig(paths), await readConfig(paths), "no file");
  mkdirSync(paths.config, { recursive: true });
  const file = join(paths.config, "config.toml");
  const memory = join(paths.cache, "config.json");
  for (const text of ['driver = "qemu"\nwarm_cache = "3G"\n', 'default_image = "other"\n', ""]) {
    writeFileSync(file, text);
    for (const time of ["first", "second"]) {
      assert.deepEqual(await knownConfig(paths), await readConfig(paths), `${text}: ${time} time`);
      const { config } = JSON.parse(readFileSync(memory, "utf8"));
      assert.deepEqual(config, await readConfig(paths));
    }
  }
  writeFileSync(file, "driver = 3\n");
  for (let time = 0; time < 2; time++) await assert.rejects(knownConfig(paths), { code: "invalid_config" });
  writeFileSync(file, 'driver = "qemu"\n');
  for (const damage of ["", "{", '{"key":"x","config":{"driver":"evil"}}', "null"]) {
    mkdirSync(paths.cache, { recursive: true });
    writeFileSync(memory, damage);
    assert.equal((await knownConfig(paths)).driver, "qemu", damage);
  }
});
