/** The two ends of a copy as they are typed: `VM:path`, a path of this host, or `-`. */
import { BangerError } from "../../core/errors.ts";

export type CopyEnd =
  | { readonly kind: "host"; readonly path: string }
  | { readonly kind: "guest"; readonly vm: string; readonly path: string }
  | { readonly kind: "tar" };

/** As scp reads it: what stands before the first colon is a VM, unless a slash comes before the colon. */
export function copyEnd(text: string): CopyEnd {
  if (text === "-") return { kind: "tar" };
  const colon = text.indexOf(":");
  const slash = text.indexOf("/");
  if (colon > 0 && (slash < 0 || slash > colon))
    return { kind: "guest", vm: text.slice(0, colon), path: text.slice(colon + 1) };
  return { kind: "host", path: text };
}

/** Both ends. @throws invalid_argument when no VM takes part, or nothing can be copied that way */
export function copyEnds(source: string, target: string): { readonly from: CopyEnd; readonly to: CopyEnd } {
  const [from, to] = [copyEnd(source), copyEnd(target)];
  const refuse = (problem: string, accepted: string) =>
    BangerError.of("invalid_argument", { what: "vm cp", problem, accepted });
  if (from.kind !== "guest" && to.kind !== "guest")
    throw refuse(
      "neither end is in a VM",
      "write VM:/path for the one that is; ./a:b is a file of this host",
    );
  for (const end of [from, to])
    if (end.kind === "host" && end.path === "") throw refuse("an empty path", "a path");
  return { from, to };
}
