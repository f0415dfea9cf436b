/** Folders for builds: gone with the work, and found again when the daemon was killed. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type TestContext, test } from "node:test";
import { WORK_MARK } from "../../../src/host/run.ts";
import { removeWorkFolders, withWorkFolder } from "../../../src/host/work-folder.ts";
import { temporaryFolder } from "../../support/temporary.ts";

function inTemporary(t: TestContext, state: string): string {
  const folder = temporaryFolder(t);
  const former = { TMPDIR: process.env.TMPDIR, [WORK_MARK]: process.env[WORK_MARK] };
  Object.assign(process.env, { TMPDIR: folder, [WORK_MARK]: state });
  t.after(() => {
    for (const [name, value] of Object.entries(former)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
  return folder;
}

test("others can enter it, and it is gone afterwards, also after a failure", async (t) => {
  const temporary = inTemporary(t, "/state");
  await assert.rejects(
    withWorkFolder(async (folder) => {
      assert.equal(statSync(folder).mode & 0o777, 0o755);
      writeFileSync(join(folder, "left"), "");
      throw new Error("failed");
    }),
    /failed/,
  );
  assert.deepEqual(readdirSync(temporary), []);
});

test("those of a state folder are found again; others', files and links stay", async (t) => {
  const outside = temporaryFolder(t);
  const temporary = inTemporary(t, "/state");
  let name = "";
  await withWorkFolder(async (folder) => {
    name = basename(folder);
  });
  const left = name.replace(/-[^-]*$/, "-left");
  mkdirSync(join(temporary, left, "deep"), { recursive: true });
  symlinkSync(outside, join(temporary, left.replace("left", "link")));
  mkdirSync(join(temporary, "banger-0000000000000000-other"));
  await removeWorkFolders("/another state");
  assert.ok(existsSync(join(temporary, left)));
  await removeWorkFolders("/state");
  assert.deepEqual(
    readdirSync(temporary).sort(),
    ["banger-0000000000000000-other", left.replace("left", "link")].sort(),
  );
  assert.ok(existsSync(outside));
});
