import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gitIdentity } from "../../../src/host/git-identity.ts";
import { temporaryFolder } from "../../support/temporary.ts";

test("is what git itself says last, quoted; null where the user has none", async (t) => {
  const former = process.env.HOME;
  process.env.HOME = temporaryFolder(t);
  t.after(() => {
    process.env.HOME = former;
  });
  assert.equal(await gitIdentity(), null);
  const text =
    '[user]\n\tname = first\n\temail = a@b\n\tsigningkey = K\n[user]\n\tname = "the \\"second\\" \\\\ one"\n';
  await writeFile(join(process.env.HOME, ".gitconfig"), text);
  assert.equal(await gitIdentity(), '[user]\n\tname = "the \\"second\\" \\\\ one"\n\temail = "a@b"\n');
});
