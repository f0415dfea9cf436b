/** The list of commands and the commands themselves say the same. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { COMMANDS, resolve } from "../../../src/cli/registry.ts";
import { RELATED } from "../../../src/cli/related.ts";
import { didYouMean } from "../../../src/cli/suggest.ts";

for (const entry of COMMANDS) {
  test(`banger ${entry.name} is what the list says, and has examples of itself`, async () => {
    const command = (await entry.load()).default;
    assert.deepEqual([command.name, command.summary], [entry.name, entry.summary]);
    assert.ok(command.examples.length > 0);
    const names = [entry.name, ...(entry.aliases ?? [])].map((name) => `banger ${name}`);
    for (const [line] of command.examples)
      assert.ok(
        names.some((name) => line.includes(name)),
        line,
      );
  });
}

describe("resolve", () => {
  test("finds commands and aliases, and leaves the rest of the words", () => {
    const found = resolve(["vm", "rm", "box", "--json"]);
    assert.ok("entry" in found);
    assert.deepEqual([found.entry.name, found.rest], ["vm delete", ["box", "--json"]]);
    const short = resolve(["ps"]);
    assert.ok("entry" in short && short.entry.name === "vm list");
  });

  test("tells a group from an unknown command", () => {
    assert.deepEqual(resolve(["vm"]), { group: "vm" });
    assert.deepEqual(resolve(["vm", "--help"]), { group: "vm" });
    const unknown = resolve(["vm", "strat"]);
    assert.ok("unknown" in unknown);
    assert.equal(
      didYouMean("vm strat", unknown.candidates, ""),
      "did you mean vm start, vm stats or vm restart?",
    );
  });
});

test("what a command's help points to exists", () => {
  const names = COMMANDS.map(({ name }) => name);
  for (const [name, related] of Object.entries(RELATED))
    for (const one of [name, ...related]) assert.ok(names.includes(one), one);
});
