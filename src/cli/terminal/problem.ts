/** An error as the user sees it. */
import type { BangerError } from "../../core/errors.ts";
import type { Style } from "./view.ts";

/** `banger: what happened`, the next thing to do, and the operation whose id stands in the daemon's log. */
export function problem(error: BangerError, style: Style): string {
  const lines = [`${style.red("banger:")} ${error.message}`];
  if (error.hint) lines.push(`  ${error.hint.replaceAll("\n", "\n  ")}`);
  if (error.operation) lines.push(style.dim(`  (${error.operation})`));
  return `${lines.join("\n")}\n`;
}
