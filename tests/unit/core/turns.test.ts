import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Turns } from "../../../src/core/turns.ts";

describe("turns", () => {
  test("of one key never overlap, keep their order, and go on after a failure", async () => {
    const turns = new Turns();
    const said: string[] = [];
    const work = (name: string, fail = false) =>
      turns.run("one", async () => {
        said.push(`${name} begins`);
        await null;
        said.push(`${name} ends`);
        if (fail) throw new Error(name);
        return name;
      });
    const [first, second, third] = await Promise.allSettled([work("a"), work("b", true), work("c")]);
    assert.deepEqual([first?.status, second?.status, third?.status], ["fulfilled", "rejected", "fulfilled"]);
    assert.deepEqual(said, ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  });

  test("of other keys do not wait", async () => {
    const turns = new Turns();
    const held = Promise.withResolvers<void>();
    const one = turns.run("one", () => held.promise);
    assert.equal(await turns.run("other", async () => "done"), "done");
    held.resolve();
    await one;
  });
});
