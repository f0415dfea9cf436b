/** The host keys that were seen. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { forgetHosts, knownHostsFile, knownKeys } from "../../../src/host/known-hosts.ts";
import { sshFolder } from "../../../src/host/ssh-key.ts";
import { temporaryPaths } from "../../support/temporary.ts";

const text = `# comment
vm-a ssh-ed25519 AAAA comment
vm-b ecdsa-sha2-nistp256 BBBB
vm-b ssh-ed25519 CCCC

@cert-authority * ssh-ed25519 DDDD
vm-a,old.vm ssh-rsa EEEE`;

test("lines of hosts that are gone are taken out; everything else stays", async (t) => {
  const paths = temporaryPaths(t);
  mkdirSync(sshFolder(paths), { recursive: true });
  writeFileSync(knownHostsFile(paths), text);
  assert.deepEqual(await knownKeys(paths, "vm-b"), ["ecdsa-sha2-nistp256 BBBB", "ssh-ed25519 CCCC"]);
  await forgetHosts(paths, (host) => host !== "vm-b");
  const left = text
    .split("\n")
    .filter((line) => !line.startsWith("vm-b"))
    .join("\n");
  assert.equal(readFileSync(knownHostsFile(paths), "utf8"), left);
  assert.deepEqual(await knownKeys(paths, "vm-b"), []);
});

test("nothing is made where ssh was never used", async (t) => {
  const paths = temporaryPaths(t);
  await forgetHosts(paths, () => false);
  assert.deepEqual(await knownKeys(paths, "vm-a"), []);
});
