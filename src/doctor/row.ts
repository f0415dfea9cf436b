/** One line of the doctor's report. */
import { asBangerError } from "../core/errors.ts";

export interface Row {
  /** What was looked at, a few words. */
  readonly name: string;
  /**
   * `fail`: banger cannot do its main job, or not as it was set up to. `warn`: it can, but something is slower, weaker or
   * missing.
   */
  readonly state: "pass" | "warn" | "fail";
  readonly detail: string;
  /** What to do about it, when there is something. */
  readonly fix: string | null;
}

export const pass = (name: string, detail: string): Row => ({ name, state: "pass", detail, fix: null });
export const warn = (name: string, detail: string, fix: string | null = null): Row => ({
  name,
  state: "warn",
  detail,
  fix,
});
export const fail = (name: string, detail: string, fix: string | null = null): Row => ({
  name,
  state: "fail",
  detail,
  fix,
});

/** Runs a check; an error that it throws is its failure. */
export async function guarded(
  name: string,
  look: () => Promise<Row | readonly Row[]>,
): Promise<readonly Row[]> {
  try {
    const found = await look();
    return Array.isArray(found) ? found : [found as Row];
  } catch (error) {
    const { message, hint } = asBangerError(error);
    return [fail(name, message, hint)];
  }
}
