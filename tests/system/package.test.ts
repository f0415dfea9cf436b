/** The package as npm publishes it: built, complete, and its program and SDK work from outside the repository. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { makeHome } from "../support/home.ts";

const execute = promisify(execFile);
const repository = fileURLToPath(new URL("../..", import.meta.url));

describe("the published package", async () => {
  const home = await makeHome();
  const folder = await mkdtemp(join(tmpdir(), "banger-package-"));
  after(() => rm(folder, { recursive: true, force: true }));

  before(async () => {
    await execute("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: repository });
    const target = join(folder, "node_modules/banger");
    await mkdir(target, { recursive: true });
    await execute("sh", ["-c", 'tar xzf *.tgz -C "$0" --strip-components=1', target], { cwd: folder });
    await symlink(join(repository, "node_modules"), join(target, "node_modules"));
  });

  test("has a program that runs a command in a VM", async () => {
    const program = join(folder, "node_modules/banger/dist/cli/main.js");
    const { stdout } = await execute(
      process.execPath,
      [program, "vm", "run", "--rm", "-q", "--", "uname", "-s"],
      {
        env: home.env,
      },
    );
    assert.equal(stdout, "Linux\n");
  });

  test("is imported by programs as the README shows it", async () => {
    const script = join(folder, "example.mjs");
    await writeFile(
      script,
      `import { Banger } from "banger";
       using banger = await Banger.connect();
       await using sandbox = await banger.create({ image: "debian-slim" });
       const { text, exitCode } = await sandbox.exec(["echo", "from a program"]);
       await sandbox.files.write("/root/hello", "hello");
       console.log(exitCode, await sandbox.files.readText("/root/hello"), text.trim());`,
    );
    const { stdout } = await execute(process.execPath, [script], { env: home.env, cwd: folder });
    assert.equal(stdout, "0 hello from a program\n");
    assert.equal((await home.run(["vm", "list", "-a", "--json"])).stdout, "[]\n");
  });
});
