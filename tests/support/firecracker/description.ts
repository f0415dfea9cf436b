/**
 * Firecracker's published API description, when it lies beside the repository (../shared/reference) or where
 * BANGER_FIRECRACKER_API says; it is never part of the repository. Bodies are checked against it.
 */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface Schema {
  readonly type?: string;
  readonly $ref?: string;
  readonly enum?: readonly unknown[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly schema?: Schema }[];
  readonly responses: Readonly<Record<string, { readonly schema?: Schema }>>;
}

export interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly definitions: Readonly<Record<string, Schema>>;
}

const BESIDE = fileURLToPath(new URL("../../../../shared/reference/firecracker-api.yaml", import.meta.url));

export const DESCRIPTION = process.env.BANGER_FIRECRACKER_API ?? BESIDE;

/** Null when the description is not here. */
export async function readDescription(path = DESCRIPTION): Promise<Description | null> {
  if (!existsSync(path)) return null;
  const { parse } = await import("yaml"); // the double starts often: it loads what it needs
  return parse(readFileSync(path, "utf8")) as Description;
}

type Definitions = Pick<Description, "definitions">;

/** A schema, or the one that it refers to. */
export function resolved({ definitions }: Definitions, schema: Schema | undefined): Schema | undefined {
  return schema?.$ref ? definitions[schema.$ref.replace("#/definitions/", "")] : schema;
}

/** What the body of a call must be; undefined when the call is not described, or has none. */
export function bodySchema(description: Description, method: string, template: string): Schema | undefined {
  const parameters = description.paths[template]?.[method.toLowerCase()]?.parameters;
  return resolved(description, parameters?.find((parameter) => parameter.in === "body")?.schema);
}

/** The path template that a request's path fits, or null. */
function templateOf(description: Description, path: string): string | null {
  const fits = (template: string) => new RegExp(`^${template.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(path);
  return Object.keys(description.paths).find(fits) ?? null;
}

/** What is wrong with a request; null when it is as described. */
export function wrongRequest(
  description: Description,
  method: string,
  path: string,
  body: unknown,
): string | null {
  const template = templateOf(description, path);
  const operation = template === null ? undefined : description.paths[template]?.[method.toLowerCase()];
  if (!operation) return `Invalid request method and/or path: ${method} ${path}`;
  const schema = bodySchema(description, method, template ?? "");
  if (body === undefined) return schema ? "Empty body" : null;
  return schema ? wrongValue(description, schema, body, "body") : "a body was not expected";
}

/** What is wrong with an answer; null when it is as described. */
export function wrongAnswer(
  description: Description,
  method: string,
  path: string,
  status: number,
  body: unknown,
): string | null {
  const template = templateOf(description, path);
  const responses = description.paths[template ?? ""]?.[method.toLowerCase()]?.responses;
  const response = responses?.[status] ?? (status >= 400 ? responses?.default : undefined);
  if (!response) return `${method} ${path} does not answer ${status}`;
  return response.schema ? wrongValue(description, response.schema, body, "answer") : null;
}

/** What is wrong with a value. Firecracker refuses fields that it does not know, so this does too. */
export function wrongValue(
  { definitions }: Definitions,
  schema: Schema,
  value: unknown,
  at: string,
): string | null {
  const known = resolved({ definitions }, schema);
  if (!known) return `${at}: the description lacks ${schema.$ref}`;
  if (known.enum && !known.enum.includes(value))
    return `${at}: ${String(value)} is none of ${known.enum.join(", ")}`;
  switch (known.type) {
    case "object":
      return wrongObject({ definitions }, known, value, at);
    case "array":
      if (!Array.isArray(value)) return `${at} must be an array`;
      return first(
        value.map((item, index) => wrongValue({ definitions }, known.items ?? {}, item, `${at}[${index}]`)),
      );
    case "integer":
      if (!Number.isInteger(value)) return `${at} must be a whole number`;
      if (Number(value) < (known.minimum ?? -Infinity)) return `${at} must be at least ${known.minimum}`;
      return Number(value) > (known.maximum ?? Infinity) ? `${at} must be at most ${known.maximum}` : null;
    case "string":
    case "boolean":
      return typeof value === known.type ? null : `${at} must be a ${known.type}`;
    default:
      return null;
  }
}

function wrongObject(
  { definitions }: Definitions,
  schema: Schema,
  value: unknown,
  at: string,
): string | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return `${at} must be an object`;
  const missing = schema.required?.find((name) => !(name in value));
  if (missing !== undefined) return `${at}: missing field \`${missing}\``;
  if (schema.additionalProperties) return null;
  const properties = schema.properties ?? {};
  return first(
    Object.entries(value).map(([name, each]) => {
      const property = properties[name];
      return property
        ? wrongValue({ definitions }, property, each, `${at}.${name}`)
        : `${at}: unknown field \`${name}\``;
    }),
  );
}

const first = (problems: readonly (string | null)[]) => problems.find((problem) => problem !== null) ?? null;
