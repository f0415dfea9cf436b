import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "../../../src/core/config.ts";
import { configuredDrivers } from "../../../src/daemon/configured-drivers.ts";

test("an edited program path counts the next time, and what was found out is kept until then", async () => {
  const config = { current: parseConfig({ qemu_bin: "/no/such/qemu" }, "", "") };
  const drivers = configuredDrivers(config, {
    cache: "/no/cache",
    state: "/no/state",
    anyKernel: async () => null,
    keep: false,
  });
  const first = drivers();
  await assert.rejects(first.select("qemu"), /\/no\/such\/qemu does not exist/);
  config.current = parseConfig({ qemu_bin: "/no/such/qemu", log_level: "debug" }, "", "");
  assert.equal(drivers(), first);
  config.current = parseConfig({ qemu_bin: "/nor/this" }, "", "");
  await assert.rejects(drivers().select("qemu"), /\/nor\/this does not exist/);
});
