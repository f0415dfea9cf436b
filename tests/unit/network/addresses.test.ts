import assert from "node:assert/strict";
import { test } from "node:test";
import { GUEST, guestResolvers } from "../../../src/network/addresses.ts";

const OWN = new Set(["192.0.2.2", "127.0.0.1", "::1"]);

test("a guest asks the host's resolvers, three at most", () => {
  const text =
    "# made by something\nsearch example.org\nnameserver 192.0.2.1\nnameserver 198.51.100.1\nnameserver fd00::1\n";
  assert.deepEqual(guestResolvers(text, OWN), ["192.0.2.1", "198.51.100.1"]);
  const many = [1, 2, 3, 4].map((n) => `nameserver 198.51.100.${n}\n`).join("");
  assert.equal(guestResolvers(many, OWN).length, 3);
});

test("a resolver on the host itself is asked through the forwarder, and so is one that nobody names", () => {
  for (const text of [
    "nameserver 127.0.0.53\n",
    "nameserver 192.0.2.2\nnameserver 198.51.100.1\n",
    "",
    "nameserver fd00::1\n",
  ])
    assert.deepEqual(guestResolvers(text, OWN), [GUEST.resolver]);
});

test("one on the host that is not the first is left out", () =>
  assert.deepEqual(guestResolvers("nameserver 198.51.100.1\nnameserver 127.0.0.1\n", OWN), ["198.51.100.1"]));
