/** A kernel that has no virtio sees no disk: said at once on the console, on every driver, not after a time has run out. */
import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { ensureAgentBinary } from "../../src/disk/agent-binary.ts";
import { ensureInitramfs } from "../../src/disk/initramfs.ts";
import { resolvePaths } from "../../src/host/paths.ts";
import { eachDriver } from "../support/each-driver.ts";
import { makeHome } from "../support/home.ts";
import { launchSpec, quietly } from "../support/launch-spec.ts";
import { patient } from "../support/patience.ts";

/** The agent itself waits this long for disks that may yet come. */
const DISKS_MS = patient(30_000);

describe("a kernel without virtio", async () => {
  const home = await makeHome();
  const paths = resolvePaths(home.env);
  const initramfs = await ensureInitramfs(paths, {
    agent: await ensureAgentBinary(paths, quietly),
    modules: [], // Debian's kernel has its virtio in modules
  });

  for (const { title, driver, status } of await eachDriver(home)) {
    test(`on ${title} ends with a word of it`, async (t) => {
      if (!status.usable) return t.skip(status.reason);
      const spec = await launchSpec(home, `vm-${title}`, status.accelerator, { initramfs });
      const begun = performance.now();
      const machine = await driver.launch(spec, quietly.signal);
      try {
        const console = text(machine.console);
        assert.match((await machine.exited).reason, /powered itself off/);
        assert.match(await console, /this kernel has no virtio_mmio: it cannot see the VM's disks/);
        assert.ok(performance.now() - begun < DISKS_MS);
      } finally {
        await machine.kill();
      }
    });
  }
});
