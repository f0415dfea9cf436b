/**
 * The OpenAPI document of the daemon, made of the route table, the schemas and the error catalogue. Pure.
 * docs/openapi.json is its output (`npm run docs`) and tested to be current.
 */
import { z } from "zod";
import { CATALOGUE } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import { connectClientMessage, connectServerMessage } from "./connect.ts";
import { execClientMessage, execServerMessage } from "./exec.ts";
import { ROUTES, type Route } from "./routes.ts";
import { errorBody, fileEvent, lease, operationEvent } from "./schemas.ts";

type Json = Record<string, unknown>;

/** What travels on streams, which OpenAPI cannot tie to a route: their descriptions name these. */
const STREAMED = [
  execClientMessage,
  execServerMessage,
  connectClientMessage,
  connectServerMessage,
  operationEvent,
  fileEvent,
  lease,
];

export function openApiDocument(): Json {
  const schemas = new Components();
  const error = schemas.refer(errorBody);
  for (const schema of STREAMED) schemas.refer(schema);
  const paths: Record<string, Json> = {};
  for (const [name, route] of Object.entries<Route>(ROUTES)) {
    paths[route.path] ??= {};
    Object.assign(paths[route.path] as Json, {
      [route.method.toLowerCase()]: operation(name, route, schemas),
    });
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "banger",
      version: VERSION,
      description: "The daemon's API on its unix socket. Every failed request is answered with an Error.",
      license: { name: "MIT", identifier: "MIT" },
    },
    paths,
    components: {
      schemas: schemas.sorted(),
      responses: { Failure: { description: failures(), content: json(error) } },
    },
  };
}

function operation(name: string, route: Route, schemas: Components): Json {
  const query = route.query ? parameters(schemas.refer(route.query)) : [];
  return {
    operationId: name,
    summary: route.summary,
    parameters: [...pathParameters(route.path), ...query],
    ...(route.body ? { requestBody: requestBody(route.body, schemas) } : {}),
    responses: {
      [route.status]: reply(route.reply, schemas),
      default: { $ref: "#/components/responses/Failure" },
    },
  };
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => ({
    name: match[1],
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
}

function parameters(object: Json): Json[] {
  const required = (object.required ?? []) as string[];
  return Object.entries(object.properties as Record<string, Json>).map(
    ([name, { description, ...schema }]) => ({
      name,
      in: "query",
      required: required.includes(name),
      ...(description ? { description } : {}),
      schema,
    }),
  );
}

function requestBody(body: z.ZodType | "stream", schemas: Components): Json {
  if (body !== "stream") return { required: true, content: json(schemas.refer(body)) };
  const bytes = { schema: { type: "string", format: "binary" } };
  return { required: true, content: { "application/octet-stream": bytes, "application/x-tar": bytes } };
}

function reply(kind: Route["reply"], schemas: Components): Json {
  if (kind === "empty") return { description: "Done" };
  if (kind === "websocket") return { description: "A WebSocket" };
  if (kind === "stream") return { description: "Raw bytes", content: { "application/octet-stream": {} } };
  if (kind === "text") return { description: "Text", content: { "text/plain": {} } };
  if (kind === "events") return { description: "Events", content: { "text/event-stream": {} } };
  return { description: "Done", content: json(schemas.refer(kind)) };
}

const json = (schema: Json): Json => ({ "application/json": { schema } });

function failures(): string {
  const lines = Object.entries(CATALOGUE).map(([code, { status }]) => `- ${status} \`${code}\``);
  return `Codes and their statuses (docs/errors.md tells more):\n\n${lines.join("\n")}`;
}

/** Named schemas, collected while they are referred to. */
class Components {
  readonly #found = new Map<string, Json>();

  /** The JSON Schema of `schema` as clients write and read it; named schemas in it become references. */
  refer(schema: z.ZodType): Json {
    const { $schema: _, $defs, ...found } = z.toJSONSchema(schema, { io: "input", override }) as Json;
    for (const [name, definition] of Object.entries(($defs ?? {}) as Record<string, Json>))
      this.#found.set(name, pointed(definition));
    return pointed(found);
  }

  sorted(): Json {
    return Object.fromEntries([...this.#found].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

function pointed(schema: Json): Json {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/')) as Json;
}

/** Leaves out what says nothing to a reader: the bounds of safe integers, the pattern beside a format. */
function override({ jsonSchema }: { jsonSchema: Json }): void {
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.format) delete jsonSchema.pattern;
}
