/** What every guest gets at each start: `[[file_sync]]`, identity, clock, keys. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { configureHome } from "../support/command.ts";
import { makeHome } from "../support/home.ts";
import { makeOrdinaryUser, ordinaryUserMissing } from "../support/ordinary-user.ts";

describe("at each start a guest gets", async () => {
  const home = await makeHome();
  const configure = (toml: string) => configureHome(home.path, toml);
  const guest = async (script: string) => {
    const { code, stdout, stderr } = await home.run(["vm", "exec", "fs", "--", "sh", "-c", script]);
    assert.equal(code, 0, stderr);
    return stdout;
  };

  test("the files that config.toml names, by its rules, and what is missing or left out is told", async (t) => {
    writeFileSync(join(home.path, "token"), "secret");
    symlinkSync("token", join(home.path, "entry-link"));
    mkdirSync(join(home.path, "dots/sub"), { recursive: true });
    writeFileSync(join(home.path, "dots/run"), "#!", { mode: 0o750 });
    writeFileSync(join(home.path, "dots/sub/a\nb"), "odd");
    symlinkSync("/etc/shadow", join(home.path, "dots/escape"));
    execFileSync("mkfifo", [join(home.path, "dots/pipe")]);
    const listener = createServer().listen(join(home.path, "dots/listener"));
    await once(listener, "listening");
    t.after(() => listener.close());
    chmodSync(join(home.path, "dots"), 0o711);
    writeFileSync(join(home.path, ".gitconfig"), "[user]\n\tname = A B\n\temail = a@b.example\n");
    await configure(`
[[file_sync]]
host = "~/token"
guest = "~/deep/er/token"
[[file_sync]]
host = "~/entry-link"
guest = "/root/from-link"
mode = "0644"
[[file_sync]]
host = "~/dots"
guest = "~/dots"
[[file_sync]]
host = "~/not-there"
guest = "~/not-there"
`);
    const { code, stderr } = await home.run(["vm", "create", "--name", "fs"]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /file_sync\[3\]: .*not-there does not exist on this host/);
    assert.match(stderr, /file_sync\[2\]: .*dots\/escape was left out: it is a symbolic link/);
    for (const name of ["pipe", "listener"])
      assert.match(
        stderr,
        new RegExp(`file_sync\\[2\\]: .*dots/${name} was left out: it is a socket, pipe or device`),
      );
    assert.equal(
      await guest(
        "cd /root && stat -c '%n %a %U:%G %F' deep/er/token from-link dots dots/run && find dots | wc -l",
      ),
      "deep/er/token 600 root:root regular file\nfrom-link 644 root:root regular file\n" +
        "dots 711 root:root directory\ndots/run 750 root:root regular file\n5\n",
    );
    assert.equal(await guest("cat /root/deep/er/token '/root/dots/sub/a\nb'"), "secretodd");
  });

  test("its name, the host's clock and git identity, and banger's key beside those that are there", async () => {
    assert.equal(
      await guest("hostname; cat /etc/hostname; getent hosts fs | cut -d' ' -f1"),
      "fs\nfs\n127.0.1.1\n",
    );
    assert.notEqual(hostname(), "fs");
    const behind = Date.now() / 1000 - Number(await guest("date +%s.%N"));
    assert.ok(Math.abs(behind) < 2, `the clock is ${behind} s behind`);
    assert.equal(
      await guest("git config --global user.name; git config --global user.email"),
      "A B\na@b.example\n",
    );
    assert.equal(
      await guest(
        "stat -c %a /root/.ssh /root/.ssh/authorized_keys; test ! -g /root && find /root -maxdepth 0 -perm /022",
      ),
      "700\n600\n",
    );
    await guest(
      "echo 'ssh-ed25519 AAAAmine me' >>/root/.ssh/authorized_keys; chmod 777 /root; git config --global user.name Guest",
    );
  });

  test("the files anew at the next start, by the edited config.toml, without a restart of the daemon", async () => {
    writeFileSync(join(home.path, "token"), "rotated");
    await guest(
      "rm -r /root/deep/er/token; mkdir /root/dots/own; echo changed >/root/from-link; chmod 600 /root/from-link",
    );
    await configure(
      '[[file_sync]]\nhost = "~/token"\nguest = "~/from-link"\n[[file_sync]]\nhost = "~/dots"\nguest = "~/dots"\n',
    );
    const { code, stderr } = await home.run(["vm", "restart", "fs"]);
    assert.equal(code, 0, stderr);
    assert.equal(
      await guest("cd /root; cat from-link; ls dots; ls deep/er; cat .ssh/authorized_keys | wc -l"),
      "rotatedown\nrun\nsub\n2\n",
    );
    assert.equal(
      await guest(
        "stat -c %a /root/from-link; find /root -maxdepth 0 -perm /022; git config --global user.name",
      ),
      "600\nGuest\n",
    );
  });

  test("nothing when that fails: the start ends with the entry and the reason, and goes well once it is mended", async () => {
    await guest("mkdir /root/in-the-way");
    await configure(
      '[[file_sync]]\nhost = "~/token"\nguest = "~/x"\n[[file_sync]]\nhost = "~/token"\nguest = "~/in-the-way"\n',
    );
    const failed = await home.run(["vm", "restart", "fs"]);
    assert.equal(failed.code, 1);
    assert.match(
      failed.stderr,
      /file_sync\[1\]: .*token could not be copied to \/root\/in-the-way in the VM: .*directory/i,
    );
    assert.doesNotMatch(failed.stderr, /console/);
    assert.match((await home.run(["vm", "show", "fs"])).stdout, /error.*file_sync\[1\]/s);
    await configure("file_sync = 1");
    const refused = await home.run(["vm", "start", "fs"]);
    const lines = readFileSync(join(home.path, ".config/banger/config.toml"), "utf8").split("\n");
    const line = lines.indexOf("file_sync = 1") + 1;
    assert.ok(refused.stderr.includes(`config.toml: line ${line}: file_sync: `), refused.stderr);
    await configure("");
    assert.equal((await home.run(["vm", "start", "fs"])).code, 0);
    assert.equal(await guest("ls /root/x; ls -d /root/in-the-way"), "/root/x\n/root/in-the-way\n");
  });
});

test("a user whose id has no name: files that may not be read are told, and a shell needs no ssh", {
  skip: await ordinaryUserMissing(),
}, async () => {
  const user = await makeOrdinaryUser();
  try {
    const folder = join(user.home, "dots");
    mkdirSync(folder);
    writeFileSync(join(folder, "open"), "open");
    writeFileSync(join(folder, "secret"), "secret", { mode: 0o600 });
    const dots = '[[file_sync]]\nhost = "~/dots"\nguest = "~/dots"\n';
    await configureHome(user.home, dots);
    const failed = await user.run(["vm", "create", "--name", "own"]);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /file_sync\[0\]: .*dots\/secret: it may not be read/);
    await configureHome(user.home, '[[file_sync]]\nhost = "~/dots/secret"\nguest = "~/secret"\n');
    const again = await user.run(["vm", "start", "own"]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /file_sync\[0\]: .*dots\/secret: it may not be read/);
    await configureHome(user.home, dots);
    chmodSync(join(folder, "secret"), 0o644);
    const started = await user.run(["vm", "start", "own"]);
    assert.equal(started.code, 0, started.stderr);
    const shell = await user.run(["vm", "ssh", "own", "--", "ls", "-a", "dots;", "cat", "dots/secret"]);
    assert.deepEqual([shell.code, shell.stdout], [0, ".\n..\nopen\nsecret\nsecret"], shell.stderr);
    assert.match((await user.run(["doctor"])).stdout, /^WARN +ssh key .* you have none/m);
  } finally {
    await user.remove();
  }
});
