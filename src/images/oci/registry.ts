/** One repository of a registry (OCI distribution specification): manifests and blobs, with logins, tries and resumption. */
import { createHash } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { z } from "zod";
import { BangerError, clean } from "../../core/errors.ts";
import { isLoopback } from "../../core/loopback.ts";
import { type Answer, type Ask, asHttpError, HttpClient, HttpError, readBody } from "../../host/http.ts";
import { findCredentials } from "./credentials.ts";
import { LoginError, RegistryLogin } from "./login.ts";
import { INDEX_TYPES, MANIFEST_TYPES, MAX_DOCUMENT } from "./manifest.ts";
import { apiHost, DIGEST, familiarName, type Reference } from "./reference.ts";

/** Tries of one request, and of one blob in a row without a single byte. */
const TRIES = 5;
const FIRST_PAUSE_MS = 500;
/** A registry may ask for patience, within reason. */
const MAX_PAUSE_MS = 60_000;
const MAX_COMPLAINT = 64 * 1024;

export interface RegistryOptions {
  readonly credentials?: typeof findCredentials;
  readonly stallMs?: number;
  /** First pause between tries, in ms; each next one is twice as long. */
  readonly pauseMs?: number;
}

export interface SentManifest {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly mediaType: string | null;
}

export class Registry implements Disposable {
  readonly #reference: Reference;
  readonly #options: RegistryOptions;
  readonly #signal: AbortSignal;
  readonly #http: HttpClient;
  #base: URL | null = null;
  #login: RegistryLogin | null = null;

  constructor(reference: Reference, signal: AbortSignal, options: RegistryOptions = {}) {
    this.#reference = reference;
    this.#signal = signal;
    this.#options = options;
    this.#http = new HttpClient(options.stallMs);
  }

  /**
   * The digest that the tag stands for now, without reading the manifest; null when the registry does not tell.
   * @throws as `manifest`
   */
  async digestOfTag(): Promise<string | null> {
    const { tag, digest } = this.#reference;
    if (digest !== null) return digest;
    const answer = await this.#api(`manifests/${tag}`, { method: "HEAD", headers: ACCEPT });
    answer.body.destroy();
    const told = answer.headers["docker-content-digest"];
    return typeof told === "string" && DIGEST.test(told) ? told : null;
  }

  /**
   * A manifest or index, by the reference's tag or a digest. Its bytes fit the digest.
   * @throws image_not_in_registry | registry_denied | registry_failed | registry_unreachable | image_refused
   */
  async manifest(digest: string | null = this.#reference.digest): Promise<SentManifest> {
    const answer = await this.#api(`manifests/${digest ?? this.#reference.tag}`, { headers: ACCEPT });
    const bytes = await this.#read(answer, MAX_DOCUMENT);
    const found = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const told = answer.headers["docker-content-digest"];
    const promised = digest ?? (typeof told === "string" && DIGEST.test(told) ? told : found);
    if (found !== promised) throw this.#refused(`its manifest has the digest ${found}, not ${promised}`);
    return { digest: found, bytes, mediaType: answer.headers["content-type"] ?? null };
  }

  /**
   * The bytes of a blob from an offset on. A connection that breaks is gone on from where it broke. The digest is the
   * caller's to check.
   * @throws as `manifest`
   */
  async *blob(digest: string, offset: number, size: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    let at = offset;
    let fruitless = 0;
    while (at < size) {
      const begun = at;
      try {
        const answer = await this.#api(`blobs/${digest}`, {
          headers: at > 0 ? { range: `bytes=${at}-` } : {},
          signal,
        });
        let skip = at > 0 ? at - startOf(answer) : 0;
        if (skip < 0) throw new HttpError("another part than the one asked for", false);
        for await (const chunk of answer.body) {
          const bytes = chunk as Buffer;
          const news = skip >= bytes.length ? null : bytes.subarray(skip);
          skip -= Math.min(skip, bytes.length);
          if (!news) continue;
          at += news.length;
          yield news;
        }
        return; // when it was shorter than promised the digest tells
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof BangerError) throw error;
        const failure = asHttpError(error);
        fruitless = at > begun ? 0 : fruitless + 1;
        if (!failure.passing || fruitless >= TRIES) throw this.#unreachable(failure);
        await this.#pause(fruitless, null, signal);
      }
    }
  }

  /** A small blob, whole and checked. @throws as `manifest` */
  async document(digest: string, size: number): Promise<Buffer> {
    if (size > MAX_DOCUMENT) throw this.#refused(`its configuration has ${size} bytes`);
    const answer = await this.#api(`blobs/${digest}`, {});
    const bytes = await this.#read(answer, MAX_DOCUMENT);
    const found = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    if (found !== digest) throw this.#refused(`its configuration has the digest ${found}, not ${digest}`);
    return bytes;
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }

  async #api(path: string, ask: Partial<Ask>): Promise<Answer> {
    const signal = ask.signal ?? this.#signal;
    const base = await this.#connect();
    const url = new URL(`/v2/${this.#reference.repository}/${path}`, base);
    const login = this.#logins(base);
    let loggedIn = false;
    for (let attempt = 1; ; attempt++) {
      const { authorization } = login;
      const answer = await this.#try(url, { ...ask, signal, authorization }, attempt);
      if (!answer) continue;
      if (answer.status === 200 || answer.status === 206) return answer;
      if (answer.status === 401 && !loggedIn) {
        const challenge = answer.headers["www-authenticate"] ?? "";
        answer.body.destroy();
        loggedIn = true;
        await login.renew(authorization, challenge).catch((error: unknown) => {
          signal.throwIfAborted();
          if (error instanceof LoginError) throw this.#denied(error.message);
          throw error instanceof HttpError ? this.#unreachable(error) : error;
        });
        continue;
      }
      throw await this.#failure(answer);
    }
  }

  /** One try; null when it failed in a way that another try may mend. */
  async #try(url: URL, ask: Ask, attempt: number): Promise<Answer | null> {
    let retryAfter: string | null = null;
    try {
      const answer = await this.#http.ask(url, ask);
      if ((answer.status !== 429 && answer.status < 500) || attempt >= TRIES) return answer;
      retryAfter = answer.headers["retry-after"] ?? null;
      answer.body.destroy();
    } catch (error) {
      ask.signal.throwIfAborted();
      const failure = asHttpError(error);
      if (!failure.passing || attempt >= TRIES) throw this.#unreachable(failure);
    }
    await this.#pause(attempt, retryAfter, ask.signal);
    return null;
  }

  /** Finds out how the registry is spoken to. Only one on this machine may be without TLS. */
  async #connect(): Promise<URL> {
    if (this.#base) return this.#base;
    const host = apiHost(this.#reference.registry);
    const secure = new URL(`https://${host}/`);
    if (!isLoopback(host)) {
      this.#base = secure;
      return secure;
    }
    try {
      const answer = await this.#http.ask(new URL("/v2/", secure), { signal: this.#signal });
      answer.body.destroy();
      this.#base = secure;
    } catch (error) {
      this.#signal.throwIfAborted();
      const { cause } = asHttpError(error);
      const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? "";
      // What speaks no TLS at all; a certificate that is not trusted stays an error.
      if (!/^(ERR_SSL_|EPROTO|ECONNRESET)/.test(code)) throw this.#unreachable(asHttpError(error));
      this.#base = new URL(`http://${host}/`);
    }
    return this.#base;
  }

  #logins(base: URL): RegistryLogin {
    const { registry, repository } = this.#reference;
    const credentials = () => (this.#options.credentials ?? findCredentials)(registry, repository);
    this.#login ??= new RegistryLogin(this.#http, base, repository, credentials, this.#signal);
    return this.#login;
  }

  async #read(answer: Answer, limit: number): Promise<Buffer> {
    const bytes = await readBody(answer, limit).catch((error: unknown) => {
      this.#signal.throwIfAborted();
      throw this.#unreachable(asHttpError(error));
    });
    if (bytes === null) throw this.#refused(`the registry sends a document of more than ${limit} bytes`);
    return bytes;
  }

  async #pause(attempt: number, retryAfter: string | null, signal: AbortSignal): Promise<void> {
    const asked = patienceOf(retryAfter ?? "");
    const usual = (this.#options.pauseMs ?? FIRST_PAUSE_MS) * 2 ** Math.max(0, attempt - 1);
    await setTimeout(Math.min(Math.max(asked, usual), MAX_PAUSE_MS), undefined, { signal });
  }

  async #failure(answer: Answer): Promise<BangerError> {
    const { registry } = this.#reference;
    const said = complaint(await this.#read(answer, MAX_COMPLAINT).catch(() => Buffer.alloc(0)));
    if (answer.status === 401 || answer.status === 403)
      return this.#denied(said || `it answers ${answer.status}`);
    if (answer.status === 404) {
      return BangerError.of("image_not_in_registry", { ref: familiarName(this.#reference), registry });
    }
    return BangerError.of("registry_failed", { registry, answer: `${answer.status}${said && `: ${said}`}` });
  }

  #denied(reason: string): BangerError {
    const { registry } = this.#reference;
    return BangerError.of("registry_denied", { registry, ref: familiarName(this.#reference), reason });
  }

  #unreachable(failure: HttpError): BangerError {
    const { registry } = this.#reference;
    return BangerError.of("registry_unreachable", { registry, reason: failure.message }, { cause: failure });
  }

  #refused(problem: string): BangerError {
    return BangerError.of("image_refused", { ref: familiarName(this.#reference), problem });
  }
}

/** Milliseconds that a Retry-After asks for: seconds or a date (RFC 9110, 10.2.3); 0 when it asks for nothing. */
function patienceOf(retryAfter: string): number {
  if (/^\d{1,6}$/.test(retryAfter)) return Number(retryAfter) * 1000;
  const until = /GMT$/.test(retryAfter) ? Date.parse(retryAfter) : Number.NaN;
  return Number.isNaN(until) ? 0 : Math.max(0, until - Date.now());
}

const ACCEPT = { accept: [...INDEX_TYPES, ...MANIFEST_TYPES].join(", ") };
/** Offset of the first byte of an answer: a server may ignore the range that was asked for. */
function startOf(answer: Answer): number {
  if (answer.status !== 206) return 0;
  const start = /^bytes (\d{1,15})-/.exec(answer.headers["content-range"] ?? "")?.[1];
  return start === undefined ? Number.POSITIVE_INFINITY : Number(start);
}

/** What a registry says about a failure, as it stands in its JSON. */
function complaint(bytes: Buffer): string {
  const shape = z.object({ errors: z.array(z.object({ message: z.string() })).min(1) });
  return clean(shape.safeParse(tryJson(bytes)).data?.errors[0]?.message ?? "", 300);
}

function tryJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return null;
  }
}
