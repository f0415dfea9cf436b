/** Catalogs are asked before what can be obtained is listed; one that is ill is told, and the list goes on without it. */
import { BangerError } from "../core/errors.ts";
import type { Banger, CatalogStatus } from "../sdk/index.ts";
import type { Context } from "./context.ts";
import { problem } from "./terminal/problem.ts";

/** Has the daemon fetch the catalogs; what is wrong with one goes to stderr. */
export async function refreshCatalogs(
  banger: Pick<Banger, "catalogs">,
  { stderr, style }: Pick<Context, "stderr" | "style">,
): Promise<CatalogStatus[]> {
  const catalogs = await banger.catalogs.list({ refresh: true });
  for (const { problem: error } of catalogs) {
    if (error) stderr.write(problem(BangerError.fromBody(error), style));
  }
  return catalogs;
}
