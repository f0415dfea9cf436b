/** An image's build that is killed while it has mounted parts of the host: they are not its tree's, and stay. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/host/run.ts";
import { hostMirrors } from "../../src/images/host-mirrors.ts";
import { temporaryFolder } from "../support/temporary.ts";

const skip = !(await hostMirrors()) && "this host's apt names no Debian archive";

test("what a killed build had mounted is unmounted, not emptied, and its folder goes", {
  skip,
}, async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, "precious"));
  writeFileSync(join(folder, "precious/file"), "");
  const script = join(import.meta.dirname, "../support/killed-build.ts");
  const inside = ["--user", "--map-root-user", "--mount", process.execPath, script, folder];
  const told = await run("unshare", inside).catch((error: Error & { stderr?: string }) => {
    if (!/unshare failed|Operation not permitted/.test(String(error.stderr))) throw error;
  });
  if (!told) return t.skip("this host does not let its users mount in namespaces of their own");
  const gone = { mounts: [], left: [] };
  assert.deepEqual(JSON.parse(told.stdout), {
    failure: "image_build_failed",
    apart: true,
    afterBuild: gone,
    afterCleaning: gone,
    precious: true,
  });
});
