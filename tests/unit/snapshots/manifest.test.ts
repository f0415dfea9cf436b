/** What a snapshot's manifest may say. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Manifest } from "../../../src/snapshots/manifest.ts";

const { machine } = Manifest.shape;
const saved = { version: "QEMU 7.2.22", accelerator: "tcg", processor: "Xeon" } as const;

test("a machine that was saved before its host's counter was recorded keeps time by none", () => {
  assert.deepEqual(machine.parse(saved), { ...saved, counterKhz: null });
  assert.deepEqual(machine.parse({ ...saved, counterKhz: 2_300_000 }), { ...saved, counterKhz: 2_300_000 });
});

test("a counter's speed is a whole number of kHz within reason", () => {
  for (const counterKhz of [0, -1, 2.5, 1e9, "2300000"])
    assert.equal(machine.safeParse({ ...saved, counterKhz }).success, false, String(counterKhz));
});
