import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { mmdebstrapArguments } from "../../../src/images/mmdebstrap.ts";
import { listRecipes, readRecipe } from "../../../src/images/recipe.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const plain = { suite: "bookworm", components: ["main"], init: null, description: "" };

function recipes(
  t: TestContext,
  all: Readonly<Record<string, { readonly recipe: object; readonly script?: string }>>,
): string {
  const folder = temporaryFolder(t);
  for (const [name, { recipe, script }] of Object.entries(all)) {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, "recipe.json"), JSON.stringify({ ...plain, name, ...recipe }));
    if (script !== undefined) writeFileSync(join(folder, name, "customise.sh"), script);
  }
  return folder;
}

test("a recipe that extends another has all of it first, and changes with it", async (t) => {
  const base = { packages: ["git"], excludePaths: ["/usr/share/doc/*"], env: { A: "1", B: "1" } };
  const own = { extends: "base", packages: ["curl"], env: { B: "2" } };
  const both = (script: string) =>
    recipes(t, { base: { recipe: base, script }, own: { recipe: own, script: "own" } });
  const recipe = await readRecipe("own", both("base"));
  assert.deepEqual(recipe?.packages, ["git", "curl"]);
  assert.deepEqual(recipe?.excludePaths, ["/usr/share/doc/*"]);
  assert.deepEqual(recipe?.env, { A: "1", B: "2" });
  assert.deepEqual(recipe?.customise, ["base", "own"]);
  assert.notEqual((await readRecipe("own", both("other")))?.digest, recipe?.digest);
  await assert.rejects(
    readRecipe("own", recipes(t, { own: { recipe: own } })),
    /extends base, which is none/,
  );
});

test("files are put in their place by root, whatever their path here is named like", async (t) => {
  const folder = recipes(t, { one: { recipe: { packages: [] }, script: "script" } });
  const recipe = (await readRecipe("one", folder)) ?? assert.fail();
  const files = [{ from: "/home/o'b rien/mise", to: "/usr/local/bin/mise", executable: true }];
  const hooks = mmdebstrapArguments(recipe, "unshare", [], files).filter((arg) => arg.includes("-hook="));
  assert.deepEqual(hooks, [
    '--customize-hook=mkdir -p "$1"/usr/local/bin',
    "--customize-hook=upload /home/o\\'b\\ rien/mise /usr/local/bin/mise",
    '--customize-hook=chown 0:0 "$1"/usr/local/bin/mise && chmod 0755 "$1"/usr/local/bin/mise',
    "--customize-hook=script",
  ]);
});

test("the recipes that are shipped are sound; the default has what the specification names", async () => {
  const all = await listRecipes();
  assert.deepEqual(
    all.map(({ name }) => name),
    ["debian-bookworm", "debian-slim"],
  );
  const [golden] = all;
  for (const name of [
    "systemd",
    "openssh-server",
    "docker.io",
    "git",
    "curl",
    "jq",
    "tmux",
    "iproute2",
    "less",
  ])
    assert.ok(golden?.packages.includes(name), name);
  assert.equal(golden?.npm.at(0)?.files["package/bin/mise"], "/usr/local/bin/mise");
});
