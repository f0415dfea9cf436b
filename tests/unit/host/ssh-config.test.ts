/** banger's ssh configuration, as the real ssh reads it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ownCommand } from "../../../src/host/own-command.ts";
import { resolvePaths } from "../../../src/host/paths.ts";
import { renderSshConfig, sshConfigFile, writeSshConfig } from "../../../src/host/ssh-config.ts";
import { temporaryFolder, temporaryPaths } from "../../support/temporary.ts";

const parts = {
  vms: [{ id: "vm-0123456789", name: "box" }],
  key: "/state/ssh/id_ed25519",
  knownHosts: "/state/ssh/known_hosts",
  command: ["/usr/bin/node", "/opt/banger/main.js"],
};

/** What ssh makes of a configuration for a host: its options, in small letters. */
function asSshReadsIt(file: string, host: string): Map<string, string> {
  const text = execFileSync("ssh", ["-F", file, "-G", host], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return new Map(text.split("\n").map((line) => [line.split(" ", 1)[0] ?? "", line.replace(/^\S+ /, "")]));
}

test("a VM's name and its id lead to the same host key; another name of the kind leads to the same proxy", (t) => {
  const file = join(temporaryFolder(t), "config");
  writeFileSync(file, renderSshConfig(parts));
  for (const host of ["box.vm", "vm-0123456789.vm"]) {
    const options = asSshReadsIt(file, host);
    assert.equal(options.get("hostkeyalias"), "vm-0123456789");
    assert.equal(options.get("user"), "root");
    assert.equal(options.get("proxycommand"), "/usr/bin/node /opt/banger/main.js vm proxy '%h' %p");
    assert.equal(options.get("identityfile"), "/state/ssh/id_ed25519");
    assert.equal(options.get("userknownhostsfile"), "/state/ssh/known_hosts");
    assert.equal(options.get("stricthostkeychecking"), "accept-new");
  }
  const other = asSshReadsIt(file, "made-later.vm");
  assert.ok(other.has("proxycommand") && !other.has("hostkeyalias"));
  assert.ok(!asSshReadsIt(file, "example.org").has("proxycommand"));
});

test("a host name that could leave its quotes gets no command", (t) => {
  const file = join(temporaryFolder(t), "config");
  writeFileSync(file, renderSshConfig(parts));
  let options: Map<string, string>;
  try {
    options = asSshReadsIt(file, "x'; touch pwned; '.vm");
  } catch {
    return; // newer ones refuse such a name themselves
  }
  assert.ok(!options.has("proxycommand"));
});

test("folders with spaces, quotes and percent signs arrive as they are", (t) => {
  const folder = temporaryFolder(t);
  const odd = join(folder, `o'dd "50%" $HOME folder`);
  const file = join(folder, "config");
  writeFileSync(
    file,
    renderSshConfig({
      ...parts,
      key: join(odd, "key"),
      knownHosts: join(odd, "hosts"),
      command: [join(odd, "node")],
    }),
  );
  const options = asSshReadsIt(file, "box.vm");
  // Some versions show percent signs as they are written, some as they are meant.
  const shown = (name: string) => (options.get(name) ?? "").replaceAll("%%", "%");
  assert.equal(shown("userknownhostsfile"), join(odd, "hosts"));
  assert.equal(shown("identityfile"), join(odd, "key"));
  const proxy = shown("proxycommand").replace(" vm proxy '%h' %p", "");
  assert.equal(
    execFileSync("/bin/sh", ["-c", `printf %s ${proxy}`], { encoding: "utf8" }),
    join(odd, "node"),
  );
});

test("the file is written whole and private, and left alone when nothing changes", async (t) => {
  const paths = temporaryPaths(t);
  await writeSshConfig(paths, parts.vms, undefined);
  const file = sshConfigFile(paths);
  const before = readFileSync(file, "utf8");
  assert.match(before, /^Host box\.vm vm-0123456789\.vm$/m);
  const { ino, mode } = statSync(file); // another inode would be a rewrite
  assert.equal(mode & 0o777, 0o600);
  await writeSshConfig(paths, parts.vms, undefined);
  assert.equal(statSync(file).ino, ino);
  await writeSshConfig(paths, [], "/home/me/key");
  assert.doesNotMatch(readFileSync(file, "utf8"), /box/);
  assert.match(readFileSync(file, "utf8"), /IdentityFile "\/home\/me\/key"/);
});

test("the proxy finds the same folders whatever environment ssh has", () => {
  const home = { HOME: "/home/me" };
  for (const env of [
    home,
    { ...home, XDG_RUNTIME_DIR: "/run/user/7" },
    { ...home, XDG_STATE_HOME: "/s", XDG_CACHE_HOME: "/c", XDG_CONFIG_HOME: "/k" },
  ]) {
    const paths = resolvePaths(env);
    const [program, ...rest] = ownCommand(paths, {});
    const carried = rest.slice(0, rest.indexOf(process.execPath));
    const seen = execFileSync(program ?? "", [...carried, "env"], {
      env: { HOME: "/elsewhere", XDG_RUNTIME_DIR: "/run/user/8", XDG_STATE_HOME: "/other" },
      encoding: "utf8",
    });
    const there = Object.fromEntries(seen.split("\n").map((line) => line.split("=", 2)));
    assert.deepEqual(resolvePaths(there), paths);
  }
});
