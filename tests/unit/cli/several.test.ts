/** One verb for several VMs. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Interrupted } from "../../../src/cli/exit.ts";
import { forEachVm, outcomesCode, renderOutcomes } from "../../../src/cli/several.ts";
import { BangerError } from "../../../src/core/errors.ts";
import type { Banger, Sandbox } from "../../../src/sdk/index.ts";
import { signalSelf, testContext } from "../../support/place.ts";

/** A daemon with VMs one, two, three; each is also found by its id. */
const banger: Partial<Banger> = {
  get: async (ref) => {
    const name = ["one", "two", "three"].find((vm) => ref === vm || ref === `vm-${vm}`);
    if (name === undefined) throw BangerError.of("vm_not_found", { ref });
    return { id: `vm-${name}`, name } as Sandbox;
  },
};

describe("a verb for several VMs", () => {
  test("is done once for each, whatever it is called", async () => {
    const done: string[] = [];
    const outcomes = await forEachVm(
      testContext(banger),
      ["two", "one", "two", "vm-two"],
      true,
      async (vm) => {
        done.push(vm.name);
        return "stopped";
      },
    );
    assert.deepEqual(done.sort(), ["one", "two"]);
    assert.equal(renderOutcomes(outcomes), "two stopped\none stopped\n");
    assert.equal(outcomesCode(outcomes), 0);
  });

  test("goes on with the good ones at the same time; all is reported in the order typed", async () => {
    const context = testContext(banger);
    const last = Promise.withResolvers<void>();
    const outcomes = await forEachVm(context, ["one", "nobody", "two", "three"], true, async (vm) => {
      // The first waits for the last: one after the other, this would never end.
      if (vm.name === "one") await last.promise;
      if (vm.name === "three") last.resolve();
      if (vm.name !== "two") throw BangerError.of("vm_busy", { name: vm.name, operation: "stop" });
      return "running";
    });
    assert.deepEqual(
      outcomes.map(({ vm, ok, error }) => [vm, ok, error?.code]),
      [
        ["one", false, "vm_busy"],
        ["nobody", false, "vm_not_found"],
        ["two", true, undefined],
        ["three", false, "vm_busy"],
      ],
    );
    assert.match(context.printed.stderr, /'one' is busy[\s\S]*'nobody'[\s\S]*'three' is busy/);
    assert.equal(renderOutcomes(outcomes), "two running\n");
    assert.equal(outcomesCode(outcomes), 1);
  });

  test("is cancelled by Ctrl-C for all, and waits until each has undone what it began", async () => {
    const undone: string[] = [];
    const begun = Promise.withResolvers<void>();
    const working = forEachVm(testContext(banger), ["one", "two"], true, async (vm, { signal }) => {
      const cancelled = new Promise((resolve) => signal?.addEventListener("abort", resolve));
      if (vm.name === "two") begun.resolve();
      await cancelled;
      await new Promise((resolve) => setImmediate(resolve));
      undone.push(vm.name);
      throw signal?.reason;
    });
    await begun.promise;
    signalSelf("SIGINT");
    await assert.rejects(working, Interrupted);
    assert.deepEqual(undone.sort(), ["one", "two"]);
  });
});
