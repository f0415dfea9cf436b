/** What becomes of a file with all certificates when the host's are added to it, changed, and taken back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { changeBundle } from "../../../src/vm/trust.ts";

const pem = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`;

test("they stand at the end, once, and leave nothing behind", () => {
  const own = pem("public");
  const added = changeBundle(own, "", pem("one"));
  assert.ok(added.startsWith(own) && added.includes(pem("one")));
  const changed = changeBundle(added, pem("one"), pem("two"));
  assert.deepEqual([changed.includes(pem("one")), changed.split(pem("two")).length], [false, 2]);
  assert.equal(changeBundle(changed, pem("two"), ""), own);
});

test("also when the distribution's tool has written the file anew meanwhile, and where there is none", () => {
  assert.equal(changeBundle(pem("public") + pem("one"), pem("one"), ""), pem("public"));
  assert.equal(changeBundle("no line break", "", pem("one")).split("\n")[0], "no line break");
  assert.equal(changeBundle(changeBundle("", "", pem("one")), pem("one"), ""), "");
});
