/** Folders of a test's own, gone when it ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Paths } from "../../src/host/paths.ts";

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "banger-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** banger's folders below a temporary one; none of them exists yet. */
export function temporaryPaths(t: TestContext): Paths {
  const home = temporaryFolder(t);
  return {
    state: join(home, "state"),
    cache: join(home, "cache"),
    config: join(home, "config"),
    run: join(home, "run"),
  };
}
