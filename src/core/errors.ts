/**
 * The one catalogue of banger's errors. Each entry fixes the stable code, the HTTP status, the exit code, the message
 * template and the hint (the next thing to type). `docs/errors.md` is tested to be equal to it.
 *
 * Templates take `{name}` parameters; the types make sure that each is given. Values are cleaned: control characters
 * are escaped and long values cut, because some come from the guest.
 */

import { catalogsErrors } from "./errors/catalogs.ts";
import { copiesErrors } from "./errors/copies.ts";
import { daemonErrors } from "./errors/daemon.ts";
import type { Entries, Entry } from "./errors/entry.ts";
import { guestErrors } from "./errors/guest.ts";
import { imagesErrors } from "./errors/images.ts";
import { snapshotsErrors } from "./errors/snapshots.ts";
import { sshErrors } from "./errors/ssh.ts";
import { startUpErrors } from "./errors/start-up.ts";
import { storesErrors } from "./errors/stores.ts";
import { usageErrors } from "./errors/usage.ts";
import { vmsErrors } from "./errors/vms.ts";
import { workspacesErrors } from "./errors/workspaces.ts";

export const CATALOGUE = {
  ...usageErrors,
  ...vmsErrors,
  ...snapshotsErrors,
  ...startUpErrors,
  ...storesErrors,
  ...imagesErrors,
  ...catalogsErrors,
  ...workspacesErrors,
  ...guestErrors,
  ...copiesErrors,
  ...sshErrors,
  ...daemonErrors,
} as const satisfies Entries;

export type ErrorCode = keyof typeof CATALOGUE;

type TemplateNames<T extends string> = T extends `${string}{${infer Name}}${infer Rest}`
  ? Name | TemplateNames<Rest>
  : never;
type Params<C extends ErrorCode> = Record<
  TemplateNames<(typeof CATALOGUE)[C]["message"]> | TemplateNames<(typeof CATALOGUE)[C]["hint"]>,
  string | number
>;

/** The wire form of an error: the body of every failed response, and of a failed operation. */
export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  /** Exit code a command should end with. */
  readonly exit: number;
  /** Extra facts for programs, e.g. `{ packages: [...] }`. */
  readonly details?: Record<string, unknown> | undefined;
  /** Operation in whose log the story stands. */
  readonly operation?: string | undefined;
}

/** Every failure that a user can meet. Plain `Error` is for programmer mistakes only. */
export class BangerError extends Error {
  readonly code: ErrorCode | (string & {});
  readonly hint: string;
  readonly status: number;
  readonly exit: number;
  readonly details: Record<string, unknown> | undefined;
  operation: string | undefined;

  private constructor(body: ErrorBody, status: number, cause?: unknown) {
    super(body.message, cause === undefined ? undefined : { cause });
    this.name = "BangerError";
    this.code = body.code;
    this.hint = body.hint;
    this.status = status;
    this.exit = body.exit;
    this.details = body.details;
    this.operation = body.operation;
  }

  /** An error of the catalogue. Parameter values are cleaned for terminals and logs. */
  static of<C extends ErrorCode>(
    code: C,
    params: Params<C>,
    extra: { cause?: unknown; details?: Record<string, unknown> } = {},
  ): BangerError {
    const entry: Entry = CATALOGUE[code];
    const values: Record<string, string | number> = params;
    const body: ErrorBody = {
      code,
      message: fill(entry.message, values),
      hint: fill(entry.hint, values),
      exit: entry.exit,
      ...(extra.details ? { details: extra.details } : {}),
    };
    return new BangerError(body, entry.status, extra.cause);
  }

  /** Rebuilds an error that came over the wire. Unknown codes (a newer daemon) are kept as they are. */
  static fromBody(body: ErrorBody, status = 500): BangerError {
    return new BangerError(
      { ...body, message: clean(body.message, 4096), hint: clean(body.hint, 1024) },
      status,
    );
  }

  toBody(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      hint: this.hint,
      exit: this.exit,
      ...(this.details ? { details: this.details } : {}),
      ...(this.operation ? { operation: this.operation } : {}),
    };
  }
}

/** Whatever was thrown, as a BangerError; foreign errors become `internal` with the cause kept. */
export function asBangerError(error: unknown): BangerError {
  if (error instanceof BangerError) return error;
  const problem = error instanceof Error ? error.message : String(error);
  return BangerError.of("internal", { problem }, { cause: error });
}

function fill(template: string, values: Record<string, string | number>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => clean(String(values[name] ?? ""), 4096));
}

/** Escapes control characters (newline and tab stay) and cuts at `limit` characters. */
export function clean(text: string, limit = 1024): string {
  const safe = text.replace(/[^\P{Cc}\n\t]/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return safe.length > limit ? `${safe.slice(0, limit)}…` : safe;
}
