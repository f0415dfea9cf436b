/** Documents that are made of sources say what the sources say. */
import assert from "node:assert/strict";
import { globSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { openApiDocument } from "../../src/api/openapi.ts";
import { ROUTES } from "../../src/api/routes.ts";
import { CATALOGUE } from "../../src/core/errors.ts";
import { VERSION } from "../../src/core/version.ts";
import { DOCUMENTS } from "../support/documents.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

for (const [path, make] of Object.entries(DOCUMENTS)) {
  test(`${path} is current`, async () => {
    assert.ok(read(path) === (await make()), `${path} is stale: npm run docs`);
  });
}

test("every reference of the OpenAPI document leads somewhere, and every component is referred to or streamed", () => {
  const document = openApiDocument();
  const text = JSON.stringify(document);
  const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map((match) => match[1] ?? "");
  assert.ok(references.length > Object.keys(ROUTES).length);
  for (const reference of references) {
    const target = reference
      .split("/")
      .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document);
    assert.ok(target, reference);
  }
});

test("the OpenAPI document has every route with its path parameters", () => {
  const paths = openApiDocument().paths as Record<string, Record<string, { operationId: string }>>;
  for (const [name, route] of Object.entries(ROUTES)) {
    assert.equal(paths[route.path]?.[route.method.toLowerCase()]?.operationId, name);
  }
});

test("hints name commands that exist, and documents that exist", async () => {
  const { COMMANDS } = await import("../../src/cli/registry.ts");
  const names = COMMANDS.flatMap((command) => [command.name, ...(command.aliases ?? [])]);
  for (const [code, { hint, message }] of Object.entries(CATALOGUE)) {
    for (const [, command = ""] of `${message} ${hint}`.matchAll(
      /\bbanger (vm (?:workspace|snapshot) \w+|(?:vm|image|kernel|catalog|daemon) \w+|doctor|version)/g,
    ))
      assert.ok(names.includes(command), `${code}: banger ${command}`);
    for (const [path] of hint.matchAll(/docs\/[\w.]+/g)) assert.ok(read(path));
  }
});

test("the program's version is the package's", () => {
  assert.equal(VERSION, (JSON.parse(read("package.json")) as { version: string }).version);
});

test("files of this repository that documents name exist", () => {
  const root = new URL("../../", import.meta.url);
  const texts = [
    ...["README.md", "ARCHITECTURE.md", "SPECIFICATION.md", "CONTRIBUTING.md"],
    ...readdirSync(new URL("docs/", root), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".md"))
      .map((name) => `docs/${name}`),
  ];
  for (const text of texts) {
    for (const [, path = ""] of read(text).matchAll(/`((?:tests|src|guest|docs|images)\/[\w./*-]*)`/g))
      assert.ok(globSync(path, { cwd: root }).length > 0, `${text} names ${path}`);
  }
});
