/** `image pull` and `kernel pull`: what is said to have happened. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { newest, pull, renderPulled } from "../../../src/cli/pull.ts";
import type { Banger, Image } from "../../../src/sdk/index.ts";
import { testContext } from "../../support/place.ts";

const image = (digest: string, created_at: string): Image => ({
  name: "debian-slim",
  digest: digest.repeat(64),
  source: "recipe",
  size_bytes: 1,
  created_at,
  used_by: [],
});
const old = image("a", "2026-01-01T00:00:00.000Z");
const fresh = image("b", "2026-02-01T00:00:00.000Z");

/** Pulls where `before` is here and pulling adds `added`. */
async function pulled(before: readonly Image[], added: readonly Image[]) {
  const here = [...before];
  const store = {
    list: async () => here,
    pull: async () => void here.push(...added),
  } as unknown as Banger["images"];
  const context = testContext({ images: store });
  const result = await pull(
    context,
    ({ images }) => ({ store: images, find: async (name) => newest(await images.list(), name) }),
    "debian-slim",
    { yes: false, quiet: true },
  );
  return { digest: result.entry.digest?.[0], text: renderPulled(result) };
}

test("what was obtained, or that it was here", async () => {
  assert.deepEqual(await pulled([], [fresh]), { digest: "b", text: "debian-slim bbbbbbbbbbbb\n" });
  assert.match((await pulled([fresh], [])).text, /was here already/);
});

test("of several of one name the newest is meant, in whatever order they come", async () => {
  assert.deepEqual(await pulled([old], [fresh]), { digest: "b", text: "debian-slim bbbbbbbbbbbb\n" });
  assert.deepEqual((await pulled([fresh, old], [])).digest, "b");
  assert.deepEqual((await pulled([old, fresh], [])).digest, "b");
});
