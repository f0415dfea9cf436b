/** The tools that a repository asks for, from its own files. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { describeTools, refuseBootstrap } from "../../../src/cli/bootstrap.ts";
import { misePlan, readMiseToml, readToolVersions } from "../../../src/git/mise-plan.ts";
import { temporaryFolder } from "../../support/temporary.ts";

test("versions, lists, tables and comments are read", () => {
  assert.deepEqual(readToolVersions("# mine\nnode 24.1.0 22 # two\n\nruby\r\n"), [
    ["node", "24.1.0 22"],
    ["ruby", "latest"],
  ]);
  const toml =
    '[tools]\nnode = "24"\npython = ["3.12", "3.11"]\n"npm:prettier" = { version = "3" }\ngo = 1.23\n';
  assert.deepEqual(readMiseToml(toml), [
    ["node", "24"],
    ["python", "3.12 3.11"],
    ["npm:prettier", "3"],
    ["go", "1.23"],
  ]);
  assert.deepEqual(readMiseToml("not toml ["), []);
});

test("all of mise's files count, the first that names a tool wins", async (t) => {
  const folder = temporaryFolder(t);
  assert.equal(await misePlan(folder), null);
  writeFileSync(join(folder, ".tool-versions"), "node 20\ngo 1.22\n");
  writeFileSync(join(folder, "mise.toml"), '[tools]\nnode = "24"\n');
  const plan = await misePlan(folder);
  assert.deepEqual(plan?.files, ["mise.toml", ".tool-versions"]);
  assert.equal(plan && describeTools(plan), "node 24, go 1.22");
});

test("tools without a network are refused with what to type", () => {
  const plan = { files: ["mise.toml"], tools: [{ name: "node", version: "24" }] };
  assert.throws(
    () => refuseBootstrap(plan, false),
    (error: Error & { hint: string }) => {
      assert.match(error.message, /^mise.toml: node 24 would be installed/);
      assert.match(error.hint, /--nat .*--no-bootstrap/);
      return true;
    },
  );
  refuseBootstrap(plan, true);
  refuseBootstrap(null, false);
});
