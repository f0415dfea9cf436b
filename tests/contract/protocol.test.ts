/** The guest protocol: what its document says is what both ends are built from, and what exists stays as it is. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import type { Schema } from "../../src/guest/fields.ts";
import { EVENTS, FAILURE, GENERATION, HELLO, OPERATIONS, STATUS } from "../../src/guest/operations.ts";

const DOCUMENT = new URL("../../docs/protocol.md", import.meta.url);
const FROZEN = new URL("protocol.frozen.json", import.meta.url);

const shape = (schema: Schema) =>
  Object.fromEntries(
    Object.entries(schema).map(([name, { tag, wire, presence }]) => [name, `${tag} ${wire} ${presence}`]),
  );

const surface = {
  generation: GENERATION,
  hello: shape(HELLO),
  failure: shape(FAILURE),
  statuses: STATUS,
  events: Object.fromEntries(
    Object.entries(EVENTS).map(([name, { event, fields }]) => [name, { event, fields: shape(fields) }]),
  ),
  operations: Object.fromEntries(
    Object.entries(OPERATIONS).map(([name, { request, response, ...rest }]) => [
      name,
      { ...rest, request: shape(request), response: shape(response) },
    ]),
  ),
};

/** Every leaf of `known` is the same in `now`; `now` may have more. */
function assertKept(known: unknown, now: unknown, at: string): void {
  if (typeof known !== "object" || known === null) {
    assert.deepEqual(now, known, at);
    return;
  }
  assert.ok(typeof now === "object" && now !== null, `${at} is gone`);
  for (const [key, value] of Object.entries(known))
    assertKept(value, (now as Record<string, unknown>)[key], `${at}.${key}`);
}

test("what a running VM's agent may speak has not changed within the generation; additions are recorded", async () => {
  const frozen: unknown = JSON.parse(await readFile(FROZEN, "utf8"));
  assertKept(frozen, surface, "protocol");
  assert.deepEqual(
    surface,
    frozen,
    "something was added: add it to tests/contract/protocol.frozen.json, too, and to docs/protocol.md",
  );
});

test("docs/protocol.md numbers every operation, its fields, events and statuses as the code does", async () => {
  const text = await readFile(DOCUMENT, "utf8");
  const sections = new Map(
    text.split(/^### /m).map((section) => [/^(\d+ \w+)/.exec(section)?.[1] ?? "", section] as const),
  );
  const operations = Object.entries(OPERATIONS).map(([name, { op }]) => `${op} ${name}`);
  assert.deepEqual([...sections.keys()].filter((key) => key !== "").sort(), operations.sort());
  for (const [name, { op, request, response }] of Object.entries(OPERATIONS)) {
    const section = sections.get(`${op} ${name}`) ?? "";
    for (const [field, { tag, wire }] of Object.entries<Schema[string]>({ ...request, ...response }))
      assert.match(section, described(field, tag, wire), `${name}: ${tag} ${field}`);
  }
  for (const [name, { event }] of Object.entries(EVENTS))
    assert.match(text, new RegExp(`EVENT ${event} \`${name}\``), `event ${event} ${name}`);
  for (const [name, status] of Object.entries(STATUS))
    assert.match(text, new RegExp(`^\\| ${status} +\\| ${name} `, "m"), `status ${status} ${name}`);
});

/** `2 mem_total int`, ``1 `argv`* list bytes``. */
function described(field: string, tag: number, wire: string): RegExp {
  const name = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return new RegExp(`\\b${tag} \`?${name}\`?\\*? (list )?${wire}\\b`);
}
