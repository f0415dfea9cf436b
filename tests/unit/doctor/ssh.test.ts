/** What the doctor says of ssh. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseConfig } from "../../../src/core/config.ts";
import { checkSshInclude, checkSshKey } from "../../../src/doctor/ssh.ts";
import { sshConfigFile } from "../../../src/host/ssh-config.ts";
import { installInclude, userSshConfig } from "../../../src/host/ssh-include.ts";
import { temporaryFolder, temporaryPaths } from "../../support/temporary.ts";

test("without the Include it warns with what to type, and makes nothing", async (t) => {
  const [paths, home] = [temporaryPaths(t), temporaryFolder(t)];
  const absent = await checkSshInclude(paths, home);
  assert.equal(absent.state, "warn");
  assert.match(absent.fix ?? "", /banger ssh-config --install/);
  assert.deepEqual(readdirSync(home), []);
  await installInclude(home, "/elsewhere/config");
  assert.equal((await checkSshInclude(paths, home)).state, "warn");
  await installInclude(home, sshConfigFile(paths));
  assert.equal((await checkSshInclude(paths, home)).state, "pass");
});

test("damaged markers are a failure of the row", async (t) => {
  const home = temporaryFolder(t);
  await installInclude(home, "/c");
  mkdirSync(join(home, ".ssh"), { recursive: true });
  writeFileSync(userSshConfig(home), "# <<< banger <<<\n");
  await assert.rejects(checkSshInclude(temporaryPaths(t), home), { code: "ssh_config_unusable" });
});

test("banger's own key is not made by looking; a configured one is looked at", async (t) => {
  const paths = temporaryPaths(t);
  const own = await checkSshKey(paths, parseConfig({}, "", ""));
  assert.equal(own.state, "pass");
  assert.throws(() => readdirSync(paths.state));
  const missing = parseConfig({ ssh_key_path: "/nowhere/key" }, "", "");
  await assert.rejects(checkSshKey(paths, missing), { code: "ssh_key_unusable" });
});
