/** Which parts of a file are on the disk. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseExtents, widened } from "../../../src/disk/extents.ts";

const TEXT = `Filesystem type is: ef53
File size of disk is 40960 (10 blocks of 4096 bytes)
 ext:     logical_offset:        physical_offset: length:   expected: flags:
   0:        0..       1:   16130048..  16130049:      2:
   1:        2..       2:   16131089..  16131089:      1:   16130050:
   2:        9..      12:   16131097..  16131100:      4:   16131090: last,unwritten,eof
disk: 3 extents found
`;

test("filefrag's answer is read: parts that touch are one, the last ends with the file", () => {
  assert.deepEqual(parseExtents(TEXT, 40_000), [
    { offset: 0, size: 3 * 4096 },
    { offset: 9 * 4096, size: 40_000 - 9 * 4096 },
  ]);
});

test("an answer that is cut off, or of another kind, counts as none", () => {
  assert.equal(parseExtents(TEXT.slice(0, 300), 40_000), null);
  assert.equal(parseExtents("FIBMAP unsupported\n", 40_000), null);
  assert.equal(parseExtents(TEXT.replace("  2..       2", "  1..       2"), 40_000), null, "out of order");
});

test("parts are rounded outwards, and put together across small gaps", () => {
  const parts = [
    { offset: 5, size: 10 },
    { offset: 95, size: 1 },
    { offset: 130, size: 60 },
  ];
  assert.deepEqual(widened(parts, 10, 0, 185), [
    { offset: 0, size: 20 },
    { offset: 90, size: 10 },
    { offset: 130, size: 55 },
  ]);
  assert.deepEqual(widened(parts, 10, 30, 185), [
    { offset: 0, size: 20 },
    { offset: 90, size: 95 },
  ]);
});
