/** An image without an init: the agent is PID 1 itself. The image is a busybox and nothing else. */
import assert from "node:assert/strict";
import { cp, link, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { type GuestSession, openGuest, powerOff, startProcess } from "../../src/guest/index.ts";
import { run } from "../../src/host/run.ts";
import { findTool } from "../../src/host/tools.ts";
import type { Machine } from "../../src/vmm/driver.ts";
import { suitesOwn } from "../support/each-driver.ts";
import { makeHome } from "../support/home.ts";
import { launchSpec, quietly } from "../support/launch-spec.ts";
import { patient } from "../support/patience.ts";

const BOOT_MS = patient(60_000);

describe("a VM whose image has no init", async () => {
  const home = await makeHome();
  let folder: string;
  let machine: Machine;
  let session: GuestSession;

  before(async () => {
    const busybox = await findTool("busybox");
    assert.ok(busybox, "the tests need busybox-static");
    folder = await mkdtemp(join(tmpdir(), "banger-init-"));
    await mkdir(join(folder, "root/bin"), { recursive: true });
    await cp(busybox, join(folder, "root/bin/busybox"));
    for (const name of ["sh", "ps", "sleep", "true", "cat", "readlink"]) {
      await link(join(folder, "root/bin/busybox"), join(folder, "root/bin", name));
    }
    const base = join(folder, "base.squashfs");
    await run("mksquashfs", [join(folder, "root"), base, "-comp", "lz4", "-no-progress", "-quiet"]);
    const { driver, accelerator } = await suitesOwn(home);
    const spec = await launchSpec(home, "vm-initless", accelerator, { base });
    machine = await driver.launch(spec, quietly.signal);
    machine.console.resume();
    session = await openGuest(await machine.connectAgent(), { signal: AbortSignal.timeout(BOOT_MS) });
  });

  after(async () => {
    await machine?.kill();
    await rm(folder, { recursive: true, force: true });
  });

  const output = async (script: string) => {
    const process = await startProcess(session, { argv: ["/bin/sh", "-c", script] });
    const said = await text(process.stdout);
    await process.exited;
    return said;
  };

  test("runs commands, with the agent's program as PID 1", async () => {
    assert.equal(await output("echo hello"), "hello\n");
    assert.match(await output("cat /proc/1/comm"), /^(init|banger-agent)$/m);
  });

  test("has its orphans reaped", async () => {
    await output("(sleep 0.1 &) ; (true &)");
    assert.equal(
      await output("sleep 0.5; ps -o stat | { grep -c '^Z' || true; }".replace("grep", "/bin/busybox grep")),
      "0\n",
    );
  });

  test("powers off in order when it is asked to, ending what runs", async () => {
    await startProcess(session, { argv: ["/bin/sleep", "1000"], onDisconnect: "keep" });
    await powerOff(session, { graceMs: 5000 });
    const { expected, reason } = await machine.exited;
    assert.ok(expected && /^the guest powered itself off/.test(reason), reason);
  });
});
