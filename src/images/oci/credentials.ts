/**
 * What the user's `docker login` or `podman login` left (containers-auth.json(5), docker's config.json) and credential
 * helpers. Read anew for each use, never written, never logged: nothing here goes into an error's text.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { BangerError } from "../../core/errors.ts";
import { homeFolder } from "../../host/paths.ts";
import { ProcessError, run } from "../../host/run.ts";

export type Credentials =
  | { readonly username: string; readonly password: string }
  /** An OAuth2 refresh token. */
  | { readonly identityToken: string };

const MAX_FILE = 4 * 1024 * 1024;
const HELPER_MS = 30_000;
/** How Docker's files call Docker Hub. */
const HUB_KEYS = ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io"];

const AuthFile = z.object({
  auths: z
    .record(
      z.string(),
      z.object({ auth: z.string().optional(), identitytoken: z.string().optional() }).nullable(),
    )
    .optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
  credsStore: z.string().optional(),
});
type AuthFile = z.infer<typeof AuthFile>;

const HelperReply = z.object({ Username: z.string(), Secret: z.string() });

/**
 * The credentials for a repository, or null when the user has none. The first file that knows the registry counts.
 * @throws registry_login_unreadable
 */
export async function findCredentials(
  registry: string,
  repository: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Credentials | null> {
  for (const path of authFiles(env)) {
    const file = await readAuthFile(path);
    const found = file && (await fromFile(file, registry, repository, path));
    if (found) return found;
  }
  return null;
}

function authFiles(env: NodeJS.ProcessEnv): string[] {
  const home = homeFolder(env);
  return [
    env.REGISTRY_AUTH_FILE,
    env.XDG_RUNTIME_DIR && join(env.XDG_RUNTIME_DIR, "containers/auth.json"),
    join(env.XDG_CONFIG_HOME ?? join(home, ".config"), "containers/auth.json"),
    join(env.DOCKER_CONFIG ?? join(home, ".docker"), "config.json"),
  ].filter((path): path is string => Boolean(path));
}

async function readAuthFile(path: string): Promise<AuthFile | null> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw unreadable(path, error.code ?? "it cannot be read");
  });
  if (text === null) return null;
  try {
    if (text.length > MAX_FILE) throw new Error("too large");
    return AuthFile.parse(JSON.parse(text || "{}"));
  } catch {
    throw unreadable(path, "it is not a login file"); // without the cause: it may quote a secret
  }
}

async function fromFile(
  file: AuthFile,
  registry: string,
  repository: string,
  path: string,
): Promise<Credentials | null> {
  const hosts = registry === "docker.io" ? HUB_KEYS : [registry];
  const helper = hosts.map((host) => file.credHelpers?.[host]).find(Boolean) ?? file.credsStore;
  if (helper) {
    const asked = registry === "docker.io" ? "https://index.docker.io/v1/" : registry;
    const found = await askHelper(helper, asked, path);
    if (found) return found;
  }
  const auths = new Map(Object.entries(file.auths ?? {}).map(([key, value]) => [normalKey(key), value]));
  for (const key of keysOf(hosts, repository)) {
    const entry = auths.get(normalKey(key));
    if (entry?.identitytoken) return { identityToken: entry.identitytoken };
    const pair = entry?.auth && decode(entry.auth);
    if (pair) return pair;
  }
  return null;
}

/** Podman also keeps logins for a part of a registry: the longest one that fits counts. */
function keysOf(hosts: readonly string[], repository: string): string[] {
  const parts = repository.split("/");
  const longer = parts.map((_, at) => parts.slice(0, parts.length - at).join("/"));
  return [...longer.flatMap((path) => hosts.map((host) => `${host}/${path}`)), ...hosts];
}

/** Docker's files also have whole addresses as keys. */
const normalKey = (key: string) => key.replace(/^https?:\/\//, "").replace(/\/(v[12]\/?)?$/, "");

function decode(auth: string): Credentials | null {
  const text = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, "");
  const colon = text.indexOf(":");
  return colon < 1 ? null : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

async function askHelper(name: string, server: string, path: string): Promise<Credentials | null> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name))
    throw unreadable(path, "it names an impossible credential helper");
  const program = `docker-credential-${name}`;
  try {
    const { stdout } = await run(program, ["get"], {
      input: server,
      signal: AbortSignal.timeout(HELPER_MS),
      env: helperEnvironment(),
    });
    const reply = HelperReply.parse(JSON.parse(stdout));
    if (reply.Username === "<token>") return { identityToken: reply.Secret };
    return { username: reply.Username, password: reply.Secret };
  } catch (error) {
    // A helper that knows nothing of this registry ends with 1.
    if (error instanceof ProcessError && error.code === 1) return null;
    throw unreadable(path, `the credential helper ${program} named in it failed`);
  }
}

/** Key rings are reached over these. */
function helperEnvironment(): Record<string, string> {
  const names = ["DBUS_SESSION_BUS_ADDRESS", "GNUPGHOME", "DOCKER_CONFIG", "XDG_CONFIG_HOME"];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

const unreadable = (path: string, reason: string) =>
  BangerError.of("registry_login_unreadable", { path, reason });
