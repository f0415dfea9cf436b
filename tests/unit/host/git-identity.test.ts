import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gitIdentity } from "../../../src/host/git-identity.ts";
import { temporaryFolder } from "../../support/temporary.ts";

function home(t: TestContext): string {
  const former = process.env.HOME;
  process.env.HOME = temporaryFolder(t);
  t.after(() => {
    process.env.HOME = former;
  });
  return process.env.HOME;
}

test("is what git itself says last, quoted; null where the user has none", async (t) => {
  const folder = home(t);
  assert.equal(await gitIdentity(), null);
  const text =
    '[user]\n\tname = first\n\temail = a@b\n\tsigningkey = K\n[user]\n\tname = "the \\"second\\" \\\\ one"\n';
  await writeFile(join(folder, ".gitconfig"), text);
  assert.equal(await gitIdentity(), '[user]\n\tname = "the \\"second\\" \\\\ one"\n\temail = "a@b"\n');
});

test("is what it is now, whichever file it was changed in", async (t) => {
  const folder = home(t);
  const named = (name: string) => `[user]\n\tname = ${name}\n`;
  const write = (file: string, text: string) => writeFile(join(folder, file), text);
  const identity = (name: string) => `[user]\n\tname = "${name}"\n`;
  await mkdir(join(folder, ".config/git"), { recursive: true });
  await write(".config/git/config", named("one"));
  assert.equal(await gitIdentity(), identity("one"));
  await write(".config/git/config", named("two"));
  assert.equal(await gitIdentity(), identity("two"));
  await write(".gitconfig", named("three"));
  assert.equal(await gitIdentity(), identity("three"));
  await rm(join(folder, ".gitconfig"));
  assert.equal(await gitIdentity(), identity("two"));
});
