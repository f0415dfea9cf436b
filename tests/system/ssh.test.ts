/** ssh into a VM without a network: banger's own command, and the real ssh, scp, sftp, rsync and git by the VM's name. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { before, describe, test } from "node:test";
import { knownHostsFile } from "../../src/host/known-hosts.ts";
import { resolvePaths } from "../../src/host/paths.ts";
import { findTool } from "../../src/host/tools.ts";
import type { Banger, Sandbox } from "../../src/sdk/index.ts";
import { LAUNCHER } from "../support/command.ts";
import { makeHome } from "../support/home.ts";
import { runProgram } from "../support/programs.ts";

describe("ssh into a VM", async () => {
  const home = await makeHome();
  const { run } = home;
  let client: Banger;
  let vm: Sandbox;
  /** A program of OpenSSH's family that reads this home's configuration; ssh itself looks at no HOME. */
  const program = (command: readonly string[], input?: string | Buffer) =>
    runProgram(command, { env: home.env, cwd: home.path, ...(input !== undefined && { input }) });
  const config = join(home.path, ".ssh/config");
  const ssh = (...words: string[]) => program(["ssh", "-F", config, ...words]);
  const inGuest = async (script: string) => {
    const { exitCode, stderr } = await vm.exec(["/bin/sh", "-c", script]);
    assert.equal(exitCode, 0, stderr.toString());
  };
  const knownHosts = () => readFile(knownHostsFile(resolvePaths(home.env)), "utf8");

  before(async () => {
    const made = await run(["vm", "create", "-q", "--name", "box"]);
    assert.equal(made.code, 0, made.stderr);
    client = await home.connect();
    vm = await client.get("box");
  });

  test("a server that is still starting is waited for", async () => {
    const result = await run(["vm", "ssh", "box", "--", "echo $SSH_CONNECTION; echo $PPID"]);
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, /^\S+ \d+ \S+ 22\n/, "real ssh: the server tells the connection");
    assert.equal(result.stderr, "");
  });

  test("ssh-config changes nothing by itself; --install puts one line into ~/.ssh/config", async () => {
    const shown = await run(["ssh-config", "--json"]);
    assert.equal(JSON.parse(shown.stdout).state, "absent");
    await mkdir(join(home.path, ".ssh"), { mode: 0o700 });
    await writeFile(config, "Host other\n  User nobody\n");
    for (let times = 0; times < 2; times++) assert.equal((await run(["ssh-config", "--install"])).code, 0);
    const content = await readFile(config, "utf8");
    assert.equal(content.match(/^Include /gm)?.length, 1);
    assert.equal((await run(["ssh-config", "--install", "--uninstall"])).code, 2);
  });

  test("plain ssh, scp, sftp and git reach the VM by its name; bytes arrive as they are", async () => {
    const blob = randomBytes(1_500_000);
    await writeFile(join(home.path, "blob"), blob);
    const echoed = await program(["ssh", "-F", config, "box.vm", "cat; exit 9"], blob);
    assert.equal(echoed.code, 9, echoed.stderr);
    assert.ok(echoed.stdout.equals(blob));
    const byId = await ssh(`${vm.id}.vm`, "hostname");
    assert.equal(byId.stdout.toString(), "box\n", byId.stderr);
    assert.equal(
      (await knownHosts()).split("\n").filter(Boolean).length,
      1,
      "one host, whatever it is called",
    );

    assert.equal((await program(["scp", "-q", "-F", config, "blob", "box.vm:/root/up"])).code, 0);
    const batch = "get /root/up down\n";
    assert.equal((await program(["sftp", "-q", "-b", "-", "-F", config, "box.vm"], batch)).code, 0);
    assert.ok((await readFile(join(home.path, "down"))).equals(blob));

    await inGuest("git init -q --bare /root/x.git");
    const repository = join(home.path, "repository");
    const git = (...words: string[]) =>
      program(["git", "-C", repository, "-c", "user.name=t", "-c", "user.email=t@example.org", ...words]);
    await mkdir(repository);
    await git("init", "-q");
    await git("commit", "-q", "--allow-empty", "-m", "over ssh");
    const pushed = await git(
      "-c",
      `core.sshCommand=ssh -F ${config}`,
      "push",
      "-q",
      "ssh://box.vm/root/x.git",
      "HEAD:main",
    );
    assert.equal(pushed.code, 0, pushed.stderr);
    const head = (await git("rev-parse", "HEAD")).stdout.toString();
    assert.equal((await vm.exec(["git", "-C", "/root/x.git", "rev-parse", "main"])).text, head);
  });

  test("rsync brings a tree over and back", async () => {
    const tree = join(home.path, "tree");
    await mkdir(join(tree, "a b"), { recursive: true });
    await writeFile(join(tree, "a b/ü"), randomBytes(100_000));
    await writeFile(join(tree, "empty"), "");
    // The image has no rsync and the guest no network: it gets this host's, with the libraries it was linked to.
    const theirs = await lendProgram("rsync");
    const rsync = ["rsync", "-a", "-e", `ssh -F ${config}`, `--rsync-path=${theirs}`];
    const up = await program([...rsync, `${tree}/`, "box.vm:/root/tree/"]);
    assert.equal(up.code, 0, up.stderr);
    const down = await program([...rsync, "box.vm:/root/tree/", join(home.path, "back/")]);
    assert.equal(down.code, 0, down.stderr);
    const compared = await program(["diff", "-r", tree, join(home.path, "back")]);
    assert.equal(compared.stdout.toString() + compared.stderr, "");
  });

  /** Copies a program of this host into the guest. @returns the command that runs it there */
  async function lendProgram(name: string): Promise<string> {
    const file = await findTool(name);
    assert.ok(file, `the tests need ${name}`);
    const linked = (await program(["ldd", file])).stdout.toString();
    const libraries = [...linked.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? "");
    const folder = join(home.path, "lent");
    await mkdir(folder);
    for (const path of [file, ...libraries])
      await cp(path, join(folder, path.split("/").at(-1) ?? ""), { dereference: true });
    assert.equal((await run(["vm", "cp", "-q", folder, "box:/root"])).code, 0);
    const loader = libraries
      .find((path) => /\/ld-linux/.test(path))
      ?.split("/")
      .at(-1);
    return `/root/lent/${loader} --library-path /root/lent /root/lent/${name}`;
  }

  test("proxy carries bytes both ways and passes the end on; a port where nothing listens is told", async () => {
    await inGuest(
      "systemd-run -q systemd-socket-activate --inetd -a -l 127.0.0.1:7777 sh -c 'cat; echo end'",
    );
    const blob = randomBytes(3_000_000);
    const sent = await program([LAUNCHER, "vm", "proxy", "box.vm", "7777"], blob);
    assert.equal(sent.code, 0, sent.stderr);
    assert.ok(sent.stdout.equals(Buffer.concat([blob, Buffer.from("end\n")])));
    const refused = await run(["vm", "proxy", "box", "7778"]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /port 7778/);
    assert.equal((await run(["vm", "proxy", "box", "70000"])).code, 2);
    const connection = await vm.connect(7777);
    connection.end("hello");
    assert.equal(await text(connection), "helloend\n");
  });

  test("where the image has no ssh server the agent does the same: codes, streams, environment, words, signals", async () => {
    const asked: [words: string[], input?: Buffer][] = [
      [["exit 42"]],
      [["echo out; echo err >&2"]],
      [["echo $HOME $USER $LOGNAME $SHELL $PATH $LANG; pwd; id -u"]],
      [["printf '%s|'", "one", "two  three", "$HOME"]],
      [["cat | od -An -c | head -3"], Buffer.from([0, 255, 10, 13, 27])],
      [["kill -9 $$"]],
      [["no-such-program"]],
      [["-t", "--", "tty >/dev/null && echo on a terminal"]],
    ];
    const answers = () =>
      Promise.all(
        asked.map(async ([words, input]) => {
          const [option, ...rest] = words[0] === "-t" ? words : ["--", ...words];
          const { code, stdout, stderr } = await run(["vm", "ssh", "box", option ?? "", ...rest], input);
          return {
            words,
            code,
            stdout, // sshd calls a shell by its last name only.
            stderr: stderr.replace("/bin/bash:", "bash:"),
          };
        }),
      );
    const overSsh = await answers();
    await inGuest("systemctl stop ssh; mv /usr/sbin/sshd /root/sshd");
    const overAgent = await answers();
    const connection = await run(["vm", "ssh", "box", "--", "echo $SSH_CONNECTION"]);
    await inGuest("mv /root/sshd /usr/sbin/sshd; systemctl start ssh");
    assert.deepEqual(overAgent, overSsh);
    assert.equal(connection.stdout, "\n", "no ssh server was there");
  });

  test("a host key that changed is refused with the way out, which works", async () => {
    await inGuest("rm /etc/ssh/ssh_host_ed25519_key*; systemctl restart ssh");
    const refused = await run(["vm", "ssh", "box", "--", "true"]);
    assert.equal(refused.code, 125);
    assert.match(refused.stderr, /--new-host-key/);
    const plain = await ssh("box.vm", "true");
    assert.equal(plain.code, 255);
    assert.match(plain.stderr, /IDENTIFICATION HAS CHANGED/);
    assert.equal((await run(["vm", "ssh", "box", "--new-host-key", "--", "true"])).code, 0);
    assert.equal((await ssh("box.vm", "true")).code, 0);
  });

  test("a new name is the same host", async () => {
    const before = await knownHosts();
    assert.equal((await run(["vm", "set", "-q", "box", "--name", "crate"])).code, 0);
    const renamed = await ssh("crate.vm", "hostname");
    assert.equal(renamed.stdout.toString(), "crate\n", renamed.stderr);
    assert.equal(await knownHosts(), before);
    assert.match((await ssh("box.vm", "true")).stderr, /no VM named 'box'/);
    await run(["vm", "set", "-q", "crate", "--name", "box"]);
  });

  test("a VM that is stopped, or that there is not, is told in ssh's own output with the next step", async () => {
    await run(["vm", "stop", "-q", "--force", "box"]);
    const stopped = await ssh("box.vm", "true");
    assert.equal(stopped.code, 255);
    assert.match(stopped.stderr, /'box' is stopped.*\n.*banger vm start box/);
    const unknown = await ssh("nobody.vm", "true");
    assert.match(unknown.stderr, /no VM named 'nobody'.*\n.*banger vm list -a/);
    assert.equal((await run(["vm", "ssh", "box"])).code, 125);
  });

  test("a name that tries to leave its quotes runs nothing here", async () => {
    const result = await ssh("x'; touch pwned; '.vm", "true");
    assert.notEqual(result.code, 0);
    assert.equal((await program(["ls", "pwned"])).code, 2);
  });

  test("with the VM go its host keys and its name", async () => {
    assert.match(await knownHosts(), new RegExp(vm.id));
    await run(["vm", "delete", "-q", "box"]);
    assert.equal(await knownHosts(), "");
    const own = JSON.parse((await run(["ssh-config", "--json"])).stdout) as { path: string };
    assert.doesNotMatch(await readFile(own.path, "utf8"), /box\.vm/);
    assert.equal((await run(["ssh-config", "--uninstall"])).code, 0);
    assert.equal(await readFile(config, "utf8"), "Host other\n  User nobody\n");
  });
});
