/** Images of a registry boot unmodified: with a userland or without, as who and where their configuration says. */
import assert from "node:assert/strict";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { findTool } from "../../src/host/tools.ts";
import { makeHome } from "../support/home.ts";
import { BUSYBOX, ImageMaker, PYTHON } from "../support/images.ts";
import { registriesMissing, startRegistry, type TestRegistry } from "../support/registry.ts";

const SMALL = ["--vcpu", "1", "--memory", "256M", "--disk-size", "256M", "-q"];

/** Command lines of a process and all below it. */
async function descendants(pid: number): Promise<string[]> {
  const own = await readFile(`/proc/${pid}/cmdline`, "latin1");
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, "latin1")).split(" ").filter(Boolean);
  return [own, ...(await Promise.all(children.map((child) => descendants(Number(child))))).flat()];
}

describe("an image of a registry", { skip: await registriesMissing() }, async () => {
  const home = await makeHome();
  let maker: ImageMaker;
  let registry: TestRegistry;
  let app: string;
  let scratch: string;

  before(async () => {
    maker = await ImageMaker.make();
    registry = await startRegistry();
    const script = `${BUSYBOX}
      ln bin/busybox bin/cut
      cp bin/busybox bin/su; chmod 4755 bin/su
      cp bin/busybox bin/busybox-raw; setcap cap_net_raw+ep bin/busybox-raw
      echo secret > etc/shadow; chmod 000 etc/shadow`;
    await maker.image("app", [script, "rm bin/env"], {
      config: [
        ...["--config.env", "PATH=/bin", "--config.env", "GREETING=hi there", "--config.user", "app"],
        ...[
          "--config.workingdir",
          "/srv/made/for/it",
          "--config.entrypoint",
          "/bin/sh",
          "--config.entrypoint",
          "-c",
        ],
        ...["--config.cmd", 'id; pwd; echo "$GREETING"; cat; exit 7'],
      ],
    });
    await maker.image("scratch", ['cp "$(command -v busybox)" busybox'], {
      config: ["--config.user", "4321:8765"],
    });
    app = await registry.push(maker.layout, "app", "team/app:1");
    scratch = await registry.push(maker.layout, "scratch", "team/scratch:1");
  });

  after(async () => {
    await registry?.[Symbol.asyncDispose]();
    await maker?.[Symbol.asyncDispose]();
  });

  const run = (args: readonly string[], input?: string) => home.run(["vm", "run", ...SMALL, ...args], input);

  test("runs what it is made for, as its user, in its directory, with its environment", async () => {
    const { code, stdout, stderr } = await run(["--rm", "--image", app], "input\n");
    assert.equal(stderr, "");
    assert.equal(
      stdout,
      "uid=1234(app) gid=2345(appg) groups=77(extra)\n/srv/made/for/it\nhi there\ninput\n",
    );
    assert.equal(code, 7);
  });

  test("runs another command instead, and keeps owners, modes, setuid and capabilities", async () => {
    const name = "kept";
    const ping = "ping -c 1 -W 5 127.0.0.1 >/dev/null 2>&1 && echo raw || echo none";
    const script = `id -u; ls -l /bin/su /etc/shadow | cut -c1-10; /bin/busybox ${ping}; /bin/busybox-raw ${ping}
      cat /etc/shadow; ls /bin/env`;
    const made = await run(["--name", name, "-d", "--image", app]);
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    const asApp = await home.run(["vm", "exec", name, "--", "/bin/sh", "-c", script]);
    assert.match(asApp.stdout, /^1234\n-rwsr-xr-x\n----------\nnone\nraw\n$/);
    assert.match(asApp.stderr, /shadow': Permission denied\n.*env: No such file/);
    const asRoot = await home.run([
      "vm",
      "exec",
      name,
      "--user",
      "root",
      "--cwd",
      "/",
      "--",
      "cat",
      "/etc/shadow",
    ]);
    assert.equal(asRoot.stdout, "secret\n");
    const numbered = await home.run(["vm", "exec", name, "--user", "1234", "--", "id"]);
    assert.equal(numbered.stdout, "uid=1234(app) gid=2345(appg) groups=77(extra)\n", "whom passwd knows");
    const grouped = await home.run(["vm", "exec", name, "--user", "app:77", "--", "id"]);
    assert.equal(grouped.stdout, "uid=1234(app) gid=77(extra)\n");

    const show = JSON.parse((await home.run(["image", "show", app, "--json"])).stdout) as {
      used_by: string[];
    };
    assert.deepEqual(show.used_by, [name]);
    assert.equal((await home.run(["vm", "delete", name])).code, 0);
  });

  test("boots without a shell, a passwd file or anything but one program, whose user is two numbers", async () => {
    const made = await run(["--name", "bare", "-d", "--image", scratch]);
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    const id = async (...options: string[]) =>
      (await home.run(["vm", "exec", "bare", ...options, "--", "/busybox", "id"])).stdout;
    assert.equal(await id(), "uid=4321 gid=8765\n");
    assert.equal(await id("--user", "77"), "uid=77 gid=0\n");
    assert.equal(await id("--user", "root"), "uid=0 gid=0\n");
    assert.equal((await home.run(["vm", "delete", "bare"])).code, 0);
  });

  test("exported and imported again boots as before: Debian with its systemd, two VMs on one file", async (t) => {
    if (!(await findTool("sqfs2tar"))) return t.skip("sqfs2tar is not installed");
    const file = join(home.path, "debian.tar");
    assert.equal((await home.run(["image", "export", "-q", "debian-slim", file])).code, 0);
    const imported = ["image", "import", "-q", "--json", "-", "copy:1"]; // from standard input
    const { code, stdout } = await home.run(imported, await readFile(file));
    assert.equal(code, 0);
    const { digest } = JSON.parse(stdout) as { digest: string };
    const made = await Promise.all(
      ["one", "two"].map((name) => run(["-d", "--name", name, "--image", "copy:1", "--wait", "system"])),
    );
    assert.deepEqual(
      made.map((each) => each.code),
      [0, 0],
      made.map((each) => each.stderr).join("\n"),
    );
    for (const name of ["one", "two"]) {
      assert.equal((await home.run(["vm", "exec", name, "--", "cat", "/proc/1/comm"])).stdout, "systemd\n");
      const pid = (JSON.parse((await home.run(["vm", "show", name, "--json"])).stdout) as { pid: number })
        .pid;
      const monitors = (await descendants(pid)).join("\n");
      assert.match(monitors, new RegExp(`images/${digest}/rootfs\\.squashfs`));
    }
    const refused = await home.run(["image", "delete", "copy:1"]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /used by (one, two|two, one)/); // whichever was made first
    assert.equal((await home.run(["vm", "delete", "one", "two"])).code, 0);
    assert.equal((await home.run(["image", "delete", "copy:1"])).code, 0);
  });

  test("of a company's private registry, with a login and an authority of its own, runs python", async (t) => {
    if (!(await findTool("python3"))) return t.skip("python3 is not installed");
    await using company = await startRegistry({ login: true, tls: true });
    await maker.image("python", [PYTHON]);
    const ref = await company.push(maker.layout, "python", "team/python:slim");
    const refused = await run(["--rm", "--image", ref, "--", "true"]);
    assert.deepEqual([refused.code, /self.signed/.test(refused.stderr)], [125, true], refused.stderr);
    const trusted = join(home.path, ".config/containers/certs.d", company.host);
    await mkdir(trusted, { recursive: true });
    await cp(company.certificate ?? "", join(trusted, "ca.crt"));
    const { username, password } = company.login ?? {};
    const auth = Buffer.from(`${username}:${password}`).toString("base64");
    await mkdir(join(home.path, ".docker"));
    const logins = { auths: { [company.host]: { auth } } };
    await writeFile(join(home.path, ".docker/config.json"), JSON.stringify(logins));
    const { code, stdout, stderr } = await run(["--rm", "--image", ref, "--", "python3", "-c", "print(1)"]);
    assert.deepEqual([code, stdout, stderr], [0, "1\n", ""]);
  });

  test("that does not exist is told as that", async () => {
    const missing = await run(["--rm", "--image", `${registry.host}/team/none:1`, "--", "true"]);
    assert.equal(missing.code, 125);
    assert.match(missing.stderr, /no image '127\.0\.0\.1:\d+\/team\/none:1' at 127\.0\.0\.1:\d+/);
  });
});
