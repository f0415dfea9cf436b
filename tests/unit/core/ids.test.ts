import assert from "node:assert/strict";
import { test } from "node:test";
import { checkName, newId, newName } from "../../../src/core/ids.ts";

test("ids have their prefix, no look-alike characters, and do not repeat", () => {
  const ids = Array.from({ length: 2000 }, () => newId("vm"));
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^vm-[0-9a-hjkmnp-tv-z]{10}$/);
  assert.match(newId("op"), /^op-\w{6}$/);
  assert.match(newId("ls"), /^ls-\w{6}$/);
});

test("made-up names are two words that are allowed as names", () => {
  for (let i = 0; i < 500; i++) {
    const name = newName();
    assert.match(name, /^[a-z]+-[a-z]+$/);
    assert.equal(checkName(name), name);
  }
});

test("a name is a DNS label, and never looks like an id", () => {
  for (const name of ["a", "9", "a-b", "x".repeat(63), "vm-short", "vm-0123456789a"])
    assert.equal(checkName(name), name);
  for (const name of [
    "",
    "-a",
    "a-",
    "A",
    "a_b",
    "a.b",
    "a b",
    "ü",
    "a\n",
    "x".repeat(64),
    "vm-0123456789",
    "../etc",
    "a/b",
  ])
    assert.throws(() => checkName(name), { code: "invalid_argument", exit: 2 }, JSON.stringify(name));
});
