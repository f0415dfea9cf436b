/** Logging in to a registry: Basic, or a token from the service that the registry names. */
import { z } from "zod";
import { isLoopback } from "../../core/loopback.ts";
import { type Ask, type HttpClient, readBody } from "../../host/http.ts";
import type { Credentials } from "./credentials.ts";

const MAX_REPLY = 1024 * 1024;

/** A login that did not come about; the reason is for people and holds no secret. */
export class LoginError extends Error {}

export class RegistryLogin {
  readonly #http: HttpClient;
  readonly #base: URL;
  readonly #repository: string;
  readonly #credentials: () => Promise<Credentials | null>;
  readonly #signal: AbortSignal;
  #renewal: Promise<string> | null = null;
  /** What requests carry; null while nothing was asked for. */
  authorization: string | null = null;

  constructor(
    http: HttpClient,
    base: URL,
    repository: string,
    credentials: () => Promise<Credentials | null>,
    signal: AbortSignal,
  ) {
    this.#http = http;
    this.#base = base;
    this.#repository = repository;
    this.#credentials = credentials;
    this.#signal = signal;
  }

  /**
   * Answers a registry that refused `used`. Several requests are refused at once: one of them logs in.
   * @param header the registry's `www-authenticate`
   * @throws LoginError | HttpError
   */
  async renew(used: string | null, header: string): Promise<void> {
    if (used !== this.authorization) return;
    this.#renewal ??= this.#answerTo(header).finally(() => {
      this.#renewal = null;
    });
    this.authorization = await this.#renewal;
  }

  async #answerTo(header: string): Promise<string> {
    const credentials = await this.#credentials();
    const challenge = parseChallenge(header);
    if (challenge?.scheme === "basic") {
      if (!credentials || !("username" in credentials)) throw new LoginError("it wants a login");
      return basic(credentials);
    }
    if (challenge?.scheme === "bearer")
      return `Bearer ${await this.#token(challenge.parameters, credentials)}`;
    throw new LoginError("it asks for a kind of login that is not known here");
  }

  /** The service that gives tokens may be another host, so it must be one that can be trusted with a login. */
  async #token(parameters: ReadonlyMap<string, string>, credentials: Credentials | null): Promise<string> {
    const realm = URL.parse(parameters.get("realm") ?? "");
    const plain = realm?.protocol === "http:" && isLoopback(realm.host) && this.#base.protocol === "http:";
    if (!realm || (realm.protocol !== "https:" && !plain)) {
      throw new LoginError("its login service has no safe address");
    }
    const answer = await this.#http.ask(realm, this.#request(realm, parameters.get("service"), credentials));
    if (answer.status !== 200) {
      answer.body.destroy();
      throw new LoginError(
        `its login service answers ${answer.status}${credentials ? " to your login" : ""}`,
      );
    }
    const reply = Reply.safeParse(tryJson(await readBody(answer, MAX_REPLY)));
    const token = reply.data?.token ?? reply.data?.access_token;
    // A line break in it would be a header of the service's choice.
    if (!token || !/^[\x21-\x7e]+$/.test(token)) throw new LoginError("its login service gives no token");
    return token;
  }

  #request(realm: URL, service: string | undefined, credentials: Credentials | null): Ask {
    const query = new URLSearchParams({ scope: `repository:${this.#repository}:pull` });
    if (service !== undefined) query.set("service", service);
    if (credentials && "identityToken" in credentials) {
      query.set("grant_type", "refresh_token");
      query.set("client_id", "banger");
      query.set("refresh_token", credentials.identityToken);
      return { signal: this.#signal, method: "POST", form: query };
    }
    for (const [name, value] of query) realm.searchParams.set(name, value);
    return { signal: this.#signal, authorization: credentials ? basic(credentials) : null };
  }
}

const Reply = z.object({ token: z.string().optional(), access_token: z.string().optional() });

function basic({ username, password }: Extract<Credentials, { username: string }>): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** `Bearer realm="…",service="…"`, or null. */
function parseChallenge(header: string): { scheme: string; parameters: Map<string, string> } | null {
  const scheme = /^\s*(\w+)/.exec(header)?.[1]?.toLowerCase();
  if (!scheme) return null;
  const pairs = header.matchAll(/(\w+)="([^"]*)"/g);
  return { scheme, parameters: new Map([...pairs].map(([, name = "", value = ""]) => [name, value])) };
}

function tryJson(bytes: Buffer | null): unknown {
  try {
    return JSON.parse(bytes?.toString("utf8") ?? "");
  } catch {
    return null;
  }
}
