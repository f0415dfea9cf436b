/** The key that opens guests: banger's own, or the one of `ssh_key_path`. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseConfig } from "../../../src/core/config.ts";
import { sshFolder, sshKeyFile, sshPublicKey } from "../../../src/host/ssh-key.ts";
import { temporaryFolder, temporaryPaths } from "../../support/temporary.ts";

function makeKey(file: string, passphrase = ""): string {
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", passphrase, "-C", "mine", "-f", file]);
  return readFileSync(`${file}.pub`, "utf8").split(" ").slice(0, 2).join(" ");
}

test("banger's own pair is made on first need, private, once", async (t) => {
  const paths = temporaryPaths(t);
  const key = await sshPublicKey(paths, undefined);
  assert.match(key ?? "", /^ssh-ed25519 \S+ banger$/);
  assert.equal(statSync(sshKeyFile(paths, undefined)).mode & 0o777, 0o600);
  assert.equal(statSync(sshFolder(paths)).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(sshFolder(paths)).sort(), ["id_ed25519", "id_ed25519.pub"]);
  assert.equal(await sshPublicKey(paths, undefined), key);
});

test("a pair that was cut off half way is made anew", async (t) => {
  const paths = temporaryPaths(t);
  mkdirSync(sshFolder(paths), { recursive: true, mode: 0o700 });
  writeFileSync(`${sshKeyFile(paths, undefined)}.pub`, "ssh-ed25519 stale banger\n");
  const key = await sshPublicKey(paths, undefined);
  assert.doesNotMatch(key ?? "", /stale/);
});

test("the key of ssh_key_path is used, with ~/ expanded, without a .pub beside it", async (t) => {
  const paths = temporaryPaths(t);
  const home = temporaryFolder(t);
  const file = join(home, "key");
  const expected = makeKey(file);
  rmSync(`${file}.pub`);
  assert.ok((await sshPublicKey(paths, file))?.startsWith(expected));
  const before = process.env.HOME;
  process.env.HOME = home;
  t.after(() => {
    process.env.HOME = before;
  });
  assert.ok((await sshPublicKey(paths, "~/key"))?.startsWith(expected));
});

test("a key that ssh would refuse is refused with what is wrong", async (t) => {
  const paths = temporaryPaths(t);
  const folder = temporaryFolder(t);
  const open = join(folder, "open");
  makeKey(open);
  chmodSync(open, 0o644);
  const locked = join(folder, "locked");
  makeKey(locked, "a passphrase");
  const garbage = join(folder, "garbage");
  writeFileSync(garbage, "no key\n", { mode: 0o600 });
  const wrong: [file: string, why: RegExp][] = [
    [join(folder, "missing"), /no such file/],
    [folder, /not a file/],
    [open, /0644/],
    [locked, /passphrase/],
    [garbage, /garbage/],
  ];
  for (const [file, message] of wrong)
    await assert.rejects(sshPublicKey(paths, file), { code: "ssh_key_unusable", message });
});

test("a path that is neither absolute nor below the home is refused when the file is read", () => {
  for (const path of ["key", "~other/key", "~", "", "./key"]) {
    assert.throws(() => parseConfig({ ssh_key_path: path }, "config.toml", ""), { code: "invalid_config" });
  }
});
