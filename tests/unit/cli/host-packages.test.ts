/** When missing host packages are offered; nothing is ever installed unasked. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { withHostPackages } from "../../../src/cli/host-packages.ts";
import { BangerError } from "../../../src/core/errors.ts";
import { testContext } from "../../support/place.ts";

describe("work that needs host packages", () => {
  for (const [what, error] of [
    ["fails otherwise: it is not done again", BangerError.of("vm_not_found", { ref: "box" })],
    [
      "lacks some, and nobody can be asked: the error stays",
      BangerError.of("host_packages_missing", { tools: "qemu-system-x86_64", packages: "qemu-system-x86" }),
    ],
  ] as const) {
    test(what, async () => {
      let tries = 0;
      const work = async () => {
        tries++;
        throw error;
      };
      await assert.rejects(withHostPackages(testContext(), false, work), (thrown) => thrown === error);
      assert.equal(tries, 1);
    });
  }

  test("succeeds: it is done once, and its result comes back", async () => {
    assert.equal(await withHostPackages(testContext(), false, async () => "made"), "made");
  });
});
