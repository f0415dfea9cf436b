/** The Include in the user's ~/.ssh/config: in and out, and every other byte as it was. */
import assert from "node:assert/strict";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  includeState,
  installInclude,
  uninstallInclude,
  userSshConfig,
} from "../../../src/host/ssh-include.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const TARGET = "/state of mine/ssh/config";

function homeWith(t: TestContext, content: Buffer | string): { home: string; file: string } {
  const home = temporaryFolder(t);
  mkdirSync(join(home, ".ssh"), { mode: 0o700 });
  const file = userSshConfig(home);
  writeFileSync(file, content, { mode: 0o644 });
  return { home, file };
}

test("it stands at the top once, however often it is put in, and is found", async (t) => {
  const { home, file } = homeWith(t, "Host a\n  User b\n");
  assert.equal(await includeState(home, TARGET), "absent");
  assert.equal(await installInclude(home, TARGET), true);
  const once = readFileSync(file, "utf8");
  assert.match(
    once,
    /^# >>> banger >>>.*\nInclude "\/state of mine\/ssh\/config"\n# <<< banger <<<\nHost a\n {2}User b\n$/,
  );
  assert.equal(await installInclude(home, TARGET), false);
  assert.equal(readFileSync(file, "utf8"), once);
  assert.equal(await includeState(home, TARGET), "present");
  assert.equal(await includeState(home, "/another"), "other");
  assert.equal(await installInclude(home, "/another"), true);
  assert.equal(readFileSync(file, "utf8").match(/Include/g)?.length, 1);
});

test("taking it out gives back every byte, whatever the file held", async (t) => {
  const odd = [
    "",
    "\n",
    "Host a", // no line feed at the end
    "Host a\r\n  User b\r\n",
    Buffer.from([0x23, 0xff, 0xfe, 0x00, 0x0a, 0xc3, 0x28]),
    "# banger\n# >>> something else >>>\nInclude other\n",
  ];
  for (const content of odd) {
    const { home, file } = homeWith(t, content);
    chmodSync(file, 0o640);
    await installInclude(home, TARGET);
    await uninstallInclude(home);
    assert.deepEqual(readFileSync(file), Buffer.from(content));
    assert.equal(statSync(file).mode & 0o777, 0o640);
    assert.deepEqual(readdirSync(join(home, ".ssh")), ["config"], "nothing is left beside it");
  }
});

test("what was written above and below it stays when it is taken out", async (t) => {
  const { home, file } = homeWith(t, "below\n");
  await installInclude(home, TARGET);
  writeFileSync(file, `above\n${readFileSync(file, "utf8")}`);
  assert.equal(await uninstallInclude(home), true);
  assert.equal(readFileSync(file, "utf8"), "above\nbelow\n");
  assert.equal(await uninstallInclude(home), false);
});

test("a missing file is made 0600 in a folder of 0700", async (t) => {
  const home = temporaryFolder(t);
  assert.equal(await uninstallInclude(home), false);
  await installInclude(home, TARGET);
  assert.equal(statSync(userSshConfig(home)).mode & 0o777, 0o600);
  assert.equal(statSync(join(home, ".ssh")).mode & 0o777, 0o700);
});

test("a symlinked file stays a symlink, also when it leads to a file that is not there yet", async (t) => {
  for (const content of ["Host a\n", null]) {
    const home = temporaryFolder(t);
    mkdirSync(join(home, ".ssh"));
    mkdirSync(join(home, "dotfiles"));
    const real = join(home, "dotfiles/ssh");
    if (content) writeFileSync(real, content);
    symlinkSync("../dotfiles/ssh", userSshConfig(home));
    await installInclude(home, TARGET);
    assert.ok(lstatSync(userSshConfig(home)).isSymbolicLink());
    assert.match(readFileSync(real, "utf8"), /Include/);
    await uninstallInclude(home);
    assert.equal(readFileSync(real, "utf8"), content ?? "");
  }
});

test("damaged markers and loops are refused, and nothing is changed", async (t) => {
  const whole = homeWith(t, "");
  await installInclude(whole.home, TARGET);
  const [begin = "", include = "", end = ""] = readFileSync(whole.file, "utf8").split("\n");
  for (const damaged of [
    [begin, include],
    [include, end],
    [end, begin],
    [begin, end, begin, end],
  ]) {
    const { home, file } = homeWith(t, damaged.join("\n"));
    await assert.rejects(installInclude(home, TARGET), { code: "ssh_config_unusable" });
    await assert.rejects(uninstallInclude(home), { code: "ssh_config_unusable" });
    assert.equal(readFileSync(file, "utf8"), damaged.join("\n"));
  }
  const loop = temporaryFolder(t);
  mkdirSync(join(loop, ".ssh"));
  symlinkSync("config", userSshConfig(loop));
  await assert.rejects(installInclude(loop, TARGET), { code: "ssh_config_unusable" });
});
