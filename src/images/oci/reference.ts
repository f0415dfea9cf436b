/** Names of images in registries: `[host[:port]/]path[:tag][@digest]`, as Docker and Podman write them. Pure. */
import { BangerError } from "../../core/errors.ts";

export interface Reference {
  /** Host, with a port when one was given; Docker Hub is `docker.io`. */
  readonly registry: string;
  /** Such as `library/python`. */
  readonly repository: string;
  /** Null when only a digest was given. */
  readonly tag: string | null;
  /** `sha256:…` when the reference is pinned. */
  readonly digest: string | null;
}

const HUB = "docker.io";
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
export const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** @throws invalid_argument */
export function parseReference(text: string): Reference {
  const reference = tryParse(text);
  if (reference) return reference;
  throw BangerError.of("invalid_argument", {
    what: "image",
    problem: `'${text}' is neither an image here nor a name that a registry can have`,
    accepted: "accepted: a name of 'banger image list --available', or [registry/]path[:tag][@sha256:digest]",
  });
}

function tryParse(text: string): Reference | null {
  if (text.length > 512) return null;
  const [name = "", digest = null, more] = text.split("@");
  if (more !== undefined || (digest !== null && !DIGEST.test(digest))) return null;
  const colon = name.lastIndexOf(":");
  const tagged = colon > name.lastIndexOf("/");
  const tag = tagged ? name.slice(colon + 1) : null;
  const path = tagged ? name.slice(0, colon) : name;
  if (tag !== null && !TAG.test(tag)) return null;
  const slash = path.indexOf("/");
  const first = slash < 0 ? "" : path.slice(0, slash);
  // Only what looks like a host is one: `library/python` is a path on Docker Hub.
  const hosted = first === "localhost" || /[.:[]/.test(first) || first !== first.toLowerCase();
  const registry = hosted ? normalHost(first) : HUB;
  const rest = hosted ? path.slice(slash + 1) : path;
  const repository = registry === HUB && !rest.includes("/") ? `library/${rest}` : rest;
  if (!HOST.test(registry) || !REPOSITORY.test(repository) || repository.length > 255) return null;
  return { registry, repository, tag: tag ?? (digest === null ? "latest" : null), digest };
}

const normalHost = (host: string) =>
  host === "index.docker.io" || host === "registry-1.docker.io" ? HUB : host;

/** As people write it: Docker Hub and its `library/` are left out, a tag is always there unless a digest pins it. */
export function familiarName(reference: Reference): string {
  const { registry, repository, tag, digest } = reference;
  const path = registry === HUB ? repository.replace(/^library\//, "") : `${registry}/${repository}`;
  return `${path}${tag === null ? "" : `:${tag}`}${digest === null ? "" : `@${digest}`}`;
}

/** Host (and port) of a registry's API. */
export const apiHost = (registry: string): string => (registry === HUB ? "registry-1.docker.io" : registry);
