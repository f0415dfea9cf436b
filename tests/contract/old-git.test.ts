/** A git of the host that is too old is told before anything is made. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { banger, homeEnvironment } from "../support/command.ts";
import { makeRepository, write } from "../support/repository.ts";
import { temporaryFolder } from "../support/temporary.ts";

test("workspaces need git 2.31", async (t) => {
  const folder = temporaryFolder(t);
  const repo = makeRepository(join(folder, "repo"));
  const [old, home] = [join(folder, "bin"), join(folder, "home")];
  mkdirSync(home);
  write(old, { git: "#!/bin/sh\necho git version 2.30.9\n" });
  chmodSync(join(old, "git"), 0o755);
  const env = { ...homeEnvironment(home), PATH: `${old}:${process.env.PATH}` };
  for (const more of [["--dry-run"], ["-d"]]) {
    const { code, stderr } = await banger(["vm", "run", repo, ...more], { env });
    assert.equal(code, 125, stderr);
    assert.match(stderr, /git version 2\.30\.9 is too old; workspaces need 2\.31 or newer/);
  }
});
