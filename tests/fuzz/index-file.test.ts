/** A guest's index comes from the guest: whatever it is, it is read or refused, and nothing else happens. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { BangerError } from "../../src/core/errors.ts";
import { formatIndex, type IndexEntry, NO_STAT, parseIndex } from "../../src/git/index-file.ts";
import { fuzz, type SeededRandom } from "../support/random.ts";

function entry(random: SeededRandom, n: number): IndexEntry {
  const flag = () => random.below(2) === 1;
  return {
    path: `${String(n).padStart(4, "0")}/${random.bytes(random.below(40)).toString("hex")}x`,
    mode: 0o100644,
    oid: random.bytes(20).toString("hex"),
    stage: 0,
    assumeValid: flag(),
    skipWorktree: flag(),
    intentToAdd: flag(),
    stat: { ...NO_STAT, size: random.below(1000) },
  };
}

test("a mutated index never does more than fail", async () => {
  await fuzz(3000, (random) => {
    const entries = Array.from({ length: random.below(20) }, (_, n) => entry(random, n));
    const bytes = formatIndex(entries, "sha1");
    assert.deepEqual(parseIndex(bytes, "sha1").entries, entries);
    for (let n = random.below(6); n >= 0; n--) bytes[random.below(bytes.length)] = random.below(256);
    const body = bytes.subarray(0, bytes.length - 20 - random.below(10));
    // With a checksum that fits, so that the mutation is looked at.
    const whole = Buffer.concat([body, createHash("sha1").update(body).digest()]);
    try {
      parseIndex(whole, "sha1");
    } catch (error) {
      assert.ok(error instanceof BangerError, String(error));
    }
  });
});
