/** The layer rules look at the sources. With a parser that cannot read TypeScript they would pass without seeing a file. */
import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { cruise, type IConfiguration, type ICruiseResult } from "dependency-cruiser";

const root = fileURLToPath(new URL("../..", import.meta.url));
const rules = createRequire(import.meta.url)("../../.dependency-cruiser.cjs") as IConfiguration;

async function cruised(paths: string[]): Promise<ICruiseResult> {
  const { output } = await cruise(paths, { baseDir: root, ...rules.options, ruleSet: rules });
  return output as ICruiseResult;
}

test("every source file is seen by the layer rules", async () => {
  const { modules } = await cruised(["src"]);
  const seen = new Set(modules.map((module) => module.source));
  const unseen = globSync("src/**/*.ts", { cwd: root }).filter((path) => !seen.has(path));
  assert.deepEqual(unseen, []);
  const imports = modules.find((module) => module.source === "src/daemon/main.ts")?.dependencies ?? [];
  assert.ok(imports.some((dependency) => dependency.resolved === "src/vm/recover.ts"));
});

test("every layer has its rule", () => {
  const layers = globSync("src/*/", { cwd: root }).map((path) =>
    path.replace(/^src\//, "").replace(/\/$/, ""),
  );
  const named = new Set(rules.forbidden?.map((rule) => rule.name));
  assert.ok(layers.length > 10);
  assert.deepEqual(
    layers.filter((layer) => !named.has(`${layer}-layer`)),
    [],
  );
});
