/** How the two ends of `vm cp` are read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { copyEnd, copyEnds } from "../../../src/cli/options/copy-ends.ts";

const guest = (vm: string, path: string) => ({ kind: "guest", vm, path });
const host = (path: string) => ({ kind: "host", path });

test("what stands before the first colon is a VM, unless a slash comes before it", () => {
  assert.deepEqual(copyEnd("box:/srv"), guest("box", "/srv"));
  assert.deepEqual(copyEnd("box:file"), guest("box", "file"));
  assert.deepEqual(copyEnd("box:"), guest("box", ""));
  assert.deepEqual(copyEnd("box:/a:b"), guest("box", "/a:b"));
  assert.deepEqual(copyEnd("./a:b"), host("./a:b"));
  assert.deepEqual(copyEnd("/a:b"), host("/a:b"));
  assert.deepEqual(copyEnd(":b"), host(":b"));
  assert.deepEqual(copyEnd("-"), { kind: "tar" });
  assert.deepEqual(copyEnd("./-"), host("./-"));
});

test("one end at least is in a VM, and no path is empty", () => {
  for (const [from, to] of [
    ["a", "b"],
    ["-", "-"],
    ["-", "b"],
    ["a", "-"],
    ["", "box:/x"],
  ] as const)
    assert.throws(() => copyEnds(from, to), { code: "invalid_argument" });
  assert.deepEqual(copyEnds("a:x", "b:y"), { from: guest("a", "x"), to: guest("b", "y") });
});
