/** The QMP client against lines of every kind: it answers or ends the connection; a monitor cannot hurt the daemon. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Qmp } from "../../src/vmm/qemu/qmp.ts";
import { fuzz, type SeededRandom } from "../support/random.ts";
import { socketPair } from "../support/socket-pair.ts";

const LINES = [
  '{"return": {}}',
  '{"return": null}',
  '{"return": "text"}',
  '{"error": {}}',
  '{"error": {"desc": "no"}}',
  '{"error": "no"}',
  '{"error": true}',
  '{"event": "SHUTDOWN", "data": {"reason": "guest-panic"}}',
  '{"event": "SHUTDOWN", "data": {"reason": ["x"]}}',
  '{"event": "SHUTDOWN", "data": null}',
  '{"event": "VSERPORT_CHANGE", "data": {"open": false}}',
  '{"event": 5}',
  '{"event": "__proto__", "data": "x"}',
  '{"__proto__": {"event": "SHUTDOWN"}}',
  "{}",
  "[]",
  "",
  "null",
  '"text"',
  "{ cut",
];

function line(random: SeededRandom): Buffer {
  const text = Buffer.from(random.pick(LINES));
  if (random.below(5) === 0 && text.length > 0) text[random.below(text.length)] = random.below(256);
  return Buffer.concat([text, Buffer.from(random.pick(["\n", "\r\n", "\n\n"]))]);
}

test("every command ends, whatever the monitor sends", async (t) => {
  await fuzz(3000, async (random) => {
    const { near, far } = await socketPair(t);
    far.write('{"QMP": {}}\n');
    far.once("data", () => far.write('{"return": {}}\n'));
    const qmp = await Qmp.open(near);
    const commands = ["a", "b", "c"].map((name) => qmp.execute(name));
    const bytes = Buffer.concat(Array.from({ length: random.below(12) }, () => line(random)));
    const cut = random.below(bytes.length + 1);
    far.write(bytes.subarray(0, cut));
    far.end(bytes.subarray(cut));
    for (const { status, reason } of (await Promise.allSettled(commands)) as PromiseRejectedResult[])
      if (status === "rejected") assert.ok(reason instanceof Error);
    await qmp.closed;
    assert.ok(qmp.shutdownReason === null || typeof qmp.shutdownReason === "string");
    if (!far.closed) await once(far.destroy(), "close");
  });
});
