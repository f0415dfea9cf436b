import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_STANDBY } from "../../../src/core/config.ts";
import { Demand } from "../../../src/vm/demand.ts";
import { SeededRandom } from "../../support/random.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** The demand for "a" at the end of starts at these moments. */
function after(moments: readonly number[], now = moments.at(-1) ?? 0): number {
  const demand = new Demand();
  for (const moment of moments) demand.started("a", moment);
  return demand.of("a", now);
}

test("it is what was started within the busiest ten seconds", () => {
  assert.equal(new Demand().of("a", 0), 0, "nothing was");
  assert.equal(after([0]), 1);
  assert.equal(after([0, MINUTE, 2 * MINUTE]), 1, "one now and then");
  assert.equal(after([0, 0, 0, 1, 2, 3, 9999, 9999]), 8, "a burst");
  assert.equal(after([0, 5 * SECOND, 10 * SECOND]), 2, "ten seconds are over at their end");
  assert.equal(after([0, 0, 0, MINUTE, MINUTE, 2 * MINUTE]), 3, "not the last ones");
  assert.equal(
    after([0, MINUTE, MINUTE, 2 * MINUTE, 2 * MINUTE, 2 * MINUTE]),
    3,
    "but these when they are more",
  );
});

test("what is ten minutes ago is forgotten, and what came after it counts then", () => {
  const moments = [0, 0, 0, 0, 2 * MINUTE, 2 * MINUTE, 2 * MINUTE, 4 * MINUTE, 4 * MINUTE, 6 * MINUTE];
  for (const [now, expected] of [
    [10 * MINUTE - 1, 4],
    [10 * MINUTE, 3],
    [12 * MINUTE, 2],
    [14 * MINUTE, 1],
    [16 * MINUTE, 0],
  ] as const)
    assert.equal(after(moments, now), expected, `at ${now / MINUTE} min`);
});

test("it is the same as counted by hand, whatever comes when", () => {
  const random = new SeededRandom(7);
  const demand = new Demand();
  const all: number[] = [];
  for (let now = 0, round = 0; round < 2000; round++) {
    now += random.below(round % 100 < 20 ? 300 : 20 * SECOND);
    all.push(now);
    demand.started("a", now);
    const later = now + random.below(2 * MINUTE);
    const lately = all.filter((at) => at > later - 10 * MINUTE);
    const together = lately.map((end) => all.filter((at) => at > end - 10 * SECOND && at <= end).length);
    if (round % 10 === 0) assert.equal(demand.of("a", now), after(all, now));
    now = later;
    assert.equal(demand.of("a", now), Math.min(MAX_STANDBY, Math.max(0, ...together)), `round ${round}`);
  }
});

test("it is never more than may stand by", () => {
  assert.equal(after(Array.from({ length: 10 * MAX_STANDBY }, (_, at) => at)), MAX_STANDBY);
});

test("each kind has its own; of many that was started longest ago is forgotten", () => {
  const demand = new Demand();
  for (const key of ["a", "a", "b"]) demand.started(key, 0);
  assert.deepEqual([demand.of("a", 0), demand.of("b", 0)], [2, 1]);
  demand.started("a", 1);
  for (let kind = 0; kind < 7; kind++) demand.started(`${kind}`, 2);
  assert.deepEqual([demand.of("a", 2), demand.of("b", 2)], [3, 0]);
});
