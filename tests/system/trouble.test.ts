/** What goes wrong on the host: told clearly, with the next step, nothing lost, nothing left behind. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { banger } from "../support/command.ts";
import { makeHome } from "../support/home.ts";
import { monitorOf, monitorsOf } from "../support/monitors.ts";

const execute = promisify(execFile);
const asRoot = process.getuid?.() === 0 ? false : "needs root";

describe("trouble", async () => {
  const home = await makeHome();
  const database = join(home.state, "state.db");
  const stopped = async () => {
    await home.run(["daemon", "stop"]);
  };

  test("a database of a newer banger is refused and left as it is", async () => {
    await home.run(["daemon", "start"]);
    await stopped();
    await rename(database, `${database}.good`);
    const newer = new DatabaseSync(database);
    newer.exec("CREATE TABLE future (x); PRAGMA user_version = 9999");
    newer.close();
    const before = await readFile(database);
    const result = await home.run(["vm", "list"]);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /newer/);
    assert.match(result.stderr, /9999/);
    assert.deepEqual(await readFile(database), before);
    assert.equal((await home.run(["doctor"])).code, 1);
    await rename(`${database}.good`, database);
  });

  test("a corrupt database is refused and left as it is", async () => {
    await rename(database, `${database}.good`);
    await writeFile(database, "this is no database".repeat(1000));
    const result = await home.run(["vm", "list"]);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /damaged|corrupt|not a database/);
    assert.match(await readFile(database, "utf8"), /^this is no database/);
    await rename(`${database}.good`, database);
    assert.equal((await home.run(["vm", "list"])).code, 0);
    await stopped();
  });

  test("a state folder that is a file, or belongs to somebody else, is refused", async () => {
    const other = join(home.path, "other");
    await mkdir(join(other, ".local/state"), { recursive: true });
    await writeFile(join(other, ".local/state/banger"), "");
    const result = await banger(["vm", "list"], { env: { ...home.env, HOME: other } });
    assert.equal(result.code, 1);
    assert.match(result.stderr, /\.local\/state\/banger/);
    await rm(other, { recursive: true });
  });

  test("a socket that belongs to another user is not spoken to", { skip: asRoot }, async () => {
    const run = join(home.state, "run");
    const socket = join(run, "banger.sock");
    const impostor = createServer((connection) => connection.destroy());
    await new Promise<void>((resolve) => impostor.listen(socket, resolve));
    await chown(socket, 12345, 12345);
    const result = await home.run(["vm", "list"]);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /12345/);
    await new Promise((resolve) => impostor.close(resolve));
  });

  test("a state folder that others may write to stops banger, and doctor --fix puts it right", async () => {
    await stopped();
    const modeOf = async () => ((await stat(home.state)).mode & 0o777).toString(8);
    await chmod(home.state, 0o777);
    const refused = await home.run(["vm", "list"]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /others may write to it/);
    const looked = await home.run(["doctor"]);
    assert.match(looked.stdout, /^FAIL +folders +others may write to .*\n +chmod 700 /m);
    assert.equal(await modeOf(), "777", "looking changes nothing");
    const mended = await home.run(["doctor", "--fix"]);
    assert.match(mended.stderr, /^chmod 700 .*\.local\/state\/banger$/m);
    assert.match(mended.stdout, /^PASS +folders /m);
    assert.equal(await modeOf(), "700");
    assert.equal((await home.run(["vm", "list"])).code, 0);
  });

  test("a missing QEMU is named with the package that brings it; nothing is made", async () => {
    const tools = join(home.path, "tools");
    await mkdir(tools);
    // Everything of the host's PATH but QEMU.
    for (const folder of ["/usr/sbin", "/usr/bin", "/bin", "/sbin"]) {
      for (const name of await readdir(folder)) {
        if (!name.startsWith("qemu")) await symlink(join(folder, name), join(tools, name)).catch(() => {});
      }
    }
    await stopped();
    const env = { ...home.env, CI: "", PATH: tools };
    const result = await banger(["vm", "run", "--rm", "--", "true"], { env });
    const doctor = await banger(["doctor"], { env });
    await banger(["daemon", "stop"], { env });
    assert.equal(result.code, 125);
    assert.match(result.stderr, /qemu-system-x86_64/);
    assert.match(result.stderr, /qemu-system-x86\b/);
    assert.equal(doctor.code, 1);
    assert.match(doctor.stdout, /FAIL\s+driver\s+qemu: qemu-system-x86_64 is not installed/);
    assert.equal((await home.run(["vm", "list", "-a", "--json"])).stdout, "[]\n");
  });

  test("a disk that has no room for a VM refuses it before anything is made", { skip: asRoot }, async () => {
    const vms = join(home.state, "vms");
    await stopped();
    try {
      await execute("mount", ["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", vms]);
    } catch (error) {
      assert.match(String(error), /permission|denied/i, "mounting is only ever forbidden");
      return;
    }
    try {
      const result = await home.run(["vm", "create", "--name", "toobig"]);
      assert.equal(result.code, 1);
      assert.match(result.stderr, /space|room/);
      assert.deepEqual(await readdir(vms), []);
      assert.equal((await home.run(["vm", "list", "-a", "--json"])).stdout, "[]\n");
      await stopped();
    } finally {
      await execute("umount", [vms]);
    }
  });

  test("a QEMU that dies while the guest boots is told with its reason; the VM is kept and starts again", async () => {
    const client = await home.connect();
    const creation = client.create(
      { name: "unlucky" },
      {
        onEvent: (event) => {
          if (event.type === "stage" && event.name === "booting") void killWhenThere();
        },
      },
    );
    const killWhenThere = async () => {
      const id = (await client.list()).find((vm) => vm.name === "unlucky")?.id ?? "";
      const pid = await untilQemu(home.state, id);
      process.kill(pid, "SIGKILL");
    };
    await assert.rejects(creation, (error: Error & { code: string; hint: string }) => {
      assert.equal(error.code, "boot_failed");
      assert.match(error.message, /killed/);
      assert.match(error.hint, /banger vm logs unlucky/);
      return true;
    });
    const vm = await client.get("unlucky");
    assert.equal(vm.state, "error");
    assert.deepEqual(await monitorsOf(home.state, vm.id), []);
    await vm.start();
    assert.equal((await vm.exec(["echo", "up"])).text, "up\n");
    await vm.delete();
  });

  test("a configuration with mistakes names key and line, and what is accepted", async () => {
    const folder = join(home.path, ".config/banger");
    await mkdir(folder, { recursive: true });
    for (const [content, pattern] of [
      ["default_imag = 'x'\n", /default_imag/],
      ["log_level = 5\n", /log_level/],
      ["[vm_defaults]\nmemory = 'much'\n", /memory/],
      ["this is not toml", /config\.toml/],
    ] as const) {
      await writeFile(join(folder, "config.toml"), content);
      await stopped();
      const result = await home.run(["vm", "run", "--", "true"]);
      assert.notEqual(result.code, 0, content);
      assert.match(result.stderr, pattern);
      assert.match(result.stderr, /config\.toml/);
    }
    await rm(folder, { recursive: true });
    await chmod(home.path, 0o700);
  });
});

/** QEMU of a VM that is just being started, as soon as it is there. */
async function untilQemu(state: string, id: string): Promise<number> {
  for (;;) {
    const pid = await monitorOf(state, id).catch(() => null);
    if (pid !== null) return pid;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
