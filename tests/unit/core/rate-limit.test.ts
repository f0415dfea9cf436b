import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRate, parseRate } from "../../../src/core/rate-limit.ts";
import { MIB } from "../../../src/core/units.ts";

test("a rate is bytes each second, with a burst and operations where they are asked for", () => {
  const plain = { bytesPerSecond: 10 * MIB, burstBytes: null, opsPerSecond: null };
  assert.deepEqual(parseRate("10M", "--net-rate", false), plain);
  assert.deepEqual(parseRate("10M,iops=500,burst=40M", "--disk-rate", true), {
    ...plain,
    burstBytes: 40 * MIB,
    opsPerSecond: 500,
  });
  assert.equal(
    formatRate(parseRate("10M,iops=500,burst=40M", "--disk-rate", true)),
    "10M/s, bursts of 40M, 500 iops",
  );
});

test("a rate that could not be kept is refused with what is accepted", () => {
  assert.throws(() => parseRate("10M,burst=5M", "--disk-rate", true), {
    code: "invalid_argument",
    message: /burst that is not between a second's worth/,
    hint: /BYTES\[,burst=BYTES\]\[,iops=N\] each second/,
  });
  assert.throws(() => parseRate("10M,iops=500", "--net-rate", false), { hint: /BYTES\[,burst=BYTES\] each/ });
});
