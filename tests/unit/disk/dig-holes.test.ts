/** A saved memory takes what is in it. */
import assert from "node:assert/strict";
import { readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { digHoles } from "../../../src/disk/dig-holes.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const MIB = 1024 * 1024;
const taken = (path: string) => statSync(path).blocks * 512;

test("zeros of a large file become holes, and nothing else of it changes; a link is not followed", async (t) => {
  const [folder, elsewhere] = [temporaryFolder(t), temporaryFolder(t)];
  const content = Buffer.alloc(16 * MIB);
  content.fill("page", 3 * MIB, 4 * MIB);
  const [memory, linked] = [join(folder, "memory"), join(elsewhere, "linked")];
  for (const path of [memory, linked]) writeFileSync(path, content, { flush: true });
  writeFileSync(join(folder, "small"), Buffer.alloc(4096), { flush: true });
  symlinkSync(linked, join(folder, "link"));
  if (taken(linked) < content.length) return t.skip("this filesystem makes holes by itself");
  await digHoles(folder, new AbortController().signal);
  assert.ok(taken(memory) < 3 * MIB, `${taken(memory)} bytes`);
  assert.ok(readFileSync(memory).equals(content));
  assert.equal(taken(linked), content.length);
});
