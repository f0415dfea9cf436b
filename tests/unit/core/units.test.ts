import assert from "node:assert/strict";
import { test } from "node:test";
import {
  count,
  formatDuration,
  formatSize,
  GIB,
  MIB,
  parseDuration,
  parseSize,
} from "../../../src/core/units.ts";

test("sizes are read as people write them; a bare number is what the caller says", () => {
  for (const [text, bytes] of [
    ["512M", 512 * MIB],
    ["4G", 4 * GIB],
    ["4GiB", 4 * GIB],
    ["4gb", 4 * GIB],
    ["1.5G", 1.5 * GIB],
    ["1T", 1024 * GIB],
    ["16k", 16 * 1024],
    [" 2 G ", 2 * GIB],
  ] as const)
    assert.equal(parseSize(text, "x", 1), bytes, text);
  assert.equal(parseSize("2048", "memory", MIB), 2048 * MIB);
  assert.equal(parseSize("8", "disk", GIB), 8 * GIB);
});

test("what is no size above zero is refused, naming what it was for", () => {
  for (const text of [
    "",
    "0",
    "0G",
    "-1",
    "-4G",
    "4X",
    "G",
    "1e3",
    "0x10",
    "4 4",
    "1/2",
    "NaN",
    "9999999999G",
    "١G",
  ])
    assert.throws(
      () => parseSize(text, "memory", MIB),
      { code: "invalid_argument", message: /^memory: / },
      text,
    );
});

test("durations are read with their unit, seconds without", () => {
  for (const [text, ms] of [
    ["90s", 90_000],
    ["15m", 900_000],
    ["2h", 7_200_000],
    ["500ms", 500],
    ["1.5h", 5_400_000],
    ["1d", 86_400_000],
    ["10", 10_000],
  ] as const)
    assert.equal(parseDuration(text, "x"), ms, text);
  for (const text of ["", "0", "0s", "-1s", "5 weeks", "s", "1:30"])
    assert.throws(() => parseDuration(text, "--timeout"), { code: "invalid_argument" }, text);
});

test("sizes, durations and counts are printed short", () => {
  assert.deepEqual(
    [0, 1, 2].map((n) => count(n, "file")),
    ["0 files", "1 file", "2 files"],
  );
  assert.deepEqual([0, 1023, 1024, 1.5 * GIB, 8 * GIB, 1024 * GIB].map(formatSize), [
    "0B",
    "1023B",
    "1K",
    "1.5G",
    "8G",
    "1T",
  ]);
  assert.deepEqual([0, 850, 3200, 60_000, 252_000, 7_500_000, 273_600_000].map(formatDuration), [
    "0ms",
    "850ms",
    "3.2s",
    "1m00s",
    "4m12s",
    "2h05m",
    "3d4h",
  ]);
});

test("no duration is printed in a unit that overflowed", () => {
  for (let ms = 0; ms < 200_000; ms += 7)
    assert.doesNotMatch(formatDuration(ms), /^(1000ms|60(\.\d)?s)$|m60s/, String(ms));
});

test("a size that is printed and read again is the same, for whole units", () => {
  for (const bytes of [MIB, 3 * MIB, GIB, 64 * GIB, 2048 * GIB])
    assert.equal(parseSize(formatSize(bytes), "x", 1), bytes);
});
