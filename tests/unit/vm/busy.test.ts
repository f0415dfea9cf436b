import assert from "node:assert/strict";
import { test } from "node:test";
import { BusyVms } from "../../../src/vm/busy.ts";

const VM = { id: "vm-a", name: "alpha" };

test("a second operation on a VM is refused and names the first; another VM does not wait", async () => {
  const busy = new BusyVms();
  const gate = Promise.withResolvers<void>();
  const first = busy.hold(VM, "start", () => gate.promise);
  await assert.rejects(
    busy.hold(VM, "stop", async () => {}),
    { code: "vm_busy", message: /alpha.*start/ },
  );
  assert.equal(await busy.hold({ id: "vm-b", name: "beta" }, "stop", async () => "done"), "done");
  gate.resolve();
  await first;
  assert.equal(await busy.hold(VM, "stop", async () => "now"), "now");
});

test("a failed operation releases the VM, and whoever waits for idle goes on", async () => {
  const busy = new BusyVms();
  const gate = Promise.withResolvers<void>();
  const first = busy.hold(VM, "start", () => gate.promise);
  let idle = false;
  const waiting = busy.idle(VM.id).then(() => {
    idle = true;
  });
  assert.equal(idle, false);
  gate.reject(new Error("broken"));
  await assert.rejects(first, /broken/);
  await waiting;
  await busy.idle(VM.id);
  assert.equal(await busy.hold(VM, "start", async () => 1), 1);
});
