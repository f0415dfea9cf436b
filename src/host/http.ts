/**
 * HTTP for registries and catalogs: redirects that never carry credentials to another host nor leave TLS, answers that may stall for
 * a bounded time, certificates of the system, of Node and of Docker's and Podman's certs.d.
 */

import { readdir, readFile } from "node:fs/promises";
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { join } from "node:path";
import { getCACertificates } from "node:tls";
import { isLoopback } from "../core/loopback.ts";
import { homeFolder } from "./paths.ts";

const MAX_REDIRECTS = 5;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** To be read to its end, or destroyed. */
  readonly body: IncomingMessage;
}

export interface Ask {
  readonly method?: "GET" | "HEAD" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent to the asked host only, never after a redirect to another. */
  readonly authorization?: string | null;
  readonly form?: URLSearchParams;
  readonly signal: AbortSignal;
}

/** An answer that will not come: the reason is for people. */
export class HttpError extends Error {
  /** Whether trying again can help. */
  readonly passing: boolean;
  constructor(reason: string, passing: boolean, cause?: unknown) {
    super(reason, { cause });
    this.passing = passing;
  }
}

export class HttpClient implements Disposable {
  readonly #stallMs: number;
  readonly #plain = new HttpAgent({ keepAlive: true, maxSockets: 8 });
  readonly #secure = new Map<string, Promise<HttpsAgent>>();

  /** @param stallMs how long nothing may come before an answer counts as lost */
  constructor(stallMs = 30_000) {
    this.#stallMs = stallMs;
  }

  /** Asks and follows redirects. @throws HttpError, and the signal's reason */
  async ask(url: URL, ask: Ask): Promise<Answer> {
    let at = url;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const authorization = at.host === url.host ? (ask.authorization ?? null) : null;
      const answer = await this.#once(at, { ...ask, authorization });
      const location = answer.headers.location;
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) return answer;
      answer.body.destroy();
      at = redirected(at, location);
    }
    throw new HttpError(`more than ${MAX_REDIRECTS} redirects`, false);
  }

  async #once(url: URL, ask: Ask): Promise<Answer> {
    const { method = "GET", authorization, form, signal } = ask;
    signal.throwIfAborted();
    const secure = url.protocol === "https:";
    if (!secure && !isLoopback(url.host)) throw new HttpError(`${url.host} is asked for without TLS`, false);
    const headers: Record<string, string> = { "user-agent": "banger", ...ask.headers };
    if (authorization) headers.authorization = authorization;
    const content = form?.toString();
    if (content !== undefined) headers["content-type"] = "application/x-www-form-urlencoded";
    const agent = secure ? await this.#secureAgent(url.host) : this.#plain;
    return new Promise((resolve, reject) => {
      // The option holds while connecting, too: a host that is cut off answers nothing at all.
      const options = { method, headers, agent, signal, timeout: this.#stallMs };
      const outgoing = (secure ? httpsRequest : httpRequest)(url, options);
      let body: IncomingMessage | null = null;
      outgoing.setTimeout(this.#stallMs, () => {
        (body ?? outgoing).destroy(new HttpError(`nothing came for ${this.#stallMs / 1000} s`, true));
      });
      outgoing.once("response", (answer) => {
        body = answer;
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer });
      });
      outgoing.once("error", (error) => reject(signal.aborted ? signal.reason : asHttpError(error)));
      outgoing.end(content);
    });
  }

  #secureAgent(host: string): Promise<HttpsAgent> {
    const agent = this.#secure.get(host) ?? makeSecureAgent(host);
    this.#secure.set(host, agent);
    return agent;
  }

  [Symbol.dispose](): void {
    this.#plain.destroy();
    for (const agent of this.#secure.values()) void agent.then((made) => made.destroy());
  }
}

function redirected(from: URL, location: string): URL {
  const to = URL.parse(location, from.href);
  if (!to || !/^https?:$/.test(to.protocol)) throw new HttpError("a redirect to no address", false);
  if (from.protocol === "https:" && to.protocol !== "https:") {
    throw new HttpError(`a redirect from TLS to ${to.protocol}//${to.host}`, false);
  }
  to.username = to.password = "";
  return to;
}

async function makeSecureAgent(host: string): Promise<HttpsAgent> {
  const ca = [...getCACertificates("default"), ...getCACertificates("system"), ...(await certsFor(host))];
  return new HttpsAgent({ keepAlive: true, maxSockets: 8, ca, proxyEnv: process.env });
}

/** Authorities that the user trusts for one registry, where Docker and Podman look for them. */
async function certsFor(host: string): Promise<string[]> {
  const config = process.env.XDG_CONFIG_HOME ?? join(homeFolder(), ".config");
  const folders = [join(config, "containers/certs.d"), "/etc/containers/certs.d", "/etc/docker/certs.d"];
  const found = folders.map(async (folder) => {
    const names = await readdir(join(folder, host)).catch(() => [] as string[]);
    const files = names.filter((name) => name.endsWith(".crt")).map((name) => join(folder, host, name));
    return Promise.all(files.map((file) => readFile(file, "utf8")));
  });
  return (await Promise.all(found)).flat();
}

/** Errors of TLS that another try does not mend. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL|EPROTO/;

export function asHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  // With several addresses for one name the reasons are in the errors below.
  const first = error instanceof AggregateError ? (error.errors[0] as Error) : (error as Error);
  const code = (first as NodeJS.ErrnoException).code ?? "";
  return new HttpError(first.message || code, !CERTIFICATE.test(code), first);
}

/** The whole body of an answer; null when it is longer than `limit`. @throws HttpError */
export async function readBody(answer: Answer, limit: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer.body) {
      size += (chunk as Buffer).length;
      if (size > limit) return null;
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    throw asHttpError(error);
  }
  return Buffer.concat(chunks);
}
