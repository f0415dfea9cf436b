/** Images of every kind boot unmodified: with OpenRC and musl, with one program and nothing else, with more files than fit a directory listing. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { findTool } from "../../src/host/tools.ts";
import { Buildah, buildahMissing, DISTROLESS, DISTROLESS_CONFIG } from "../support/buildah.ts";
import { makeHome } from "../support/home.ts";
import { ImageMaker } from "../support/images.ts";
import { type Entry, Layout, tarOf } from "../support/oci-layout.ts";
import { OPENRC, openrcMissing } from "../support/openrc.ts";
import { registriesMissing } from "../support/registry.ts";

const SMALL = ["--vcpu", "1", "--memory", "256M", "--disk-size", "256M", "-q"];
const FILES = 65_000;
const LINKS = 5_000;
/** Near Linux's limit for a path, 4096 bytes. */
const DEEP = Array.from({ length: 60 }, () => "d".repeat(60)).join("/");

async function* everything(): AsyncGenerator<Buffer> {
  const busybox = await readFile((await findTool("busybox")) ?? "");
  function* entries(): Generator<Entry> {
    yield { path: "bin/", mode: 0o755 };
    yield { path: "bin/busybox", mode: 0o755, content: busybox };
    for (const name of ["sh", "cat", "find", "wc", "stat", "id"])
      yield { path: `bin/${name}`, type: "hardlink", link: "bin/busybox" };
    yield { path: "etc/", mode: 0o755 };
    yield { path: "etc/secret", mode: 0, content: "root's alone\n" };
    for (let at = 0; at < FILES; at++) {
      if (at % 100 === 0) yield { path: `many/${at / 100}/` };
      // Of many sizes, as in any image: sqfstar looks for copies of a file among all of its size, which takes the square of their number.
      yield { path: `many/${Math.floor(at / 100)}/${at}`, content: `${at}${"\n".repeat(1 + (at % 499))}` };
    }
    yield { path: "farm/" };
    yield { path: "farm/first", content: "shared\n" };
    for (let at = 1; at < LINKS; at++) yield { path: `farm/${at}`, type: "hardlink", link: "farm/first" };
    yield { path: `${DEEP}/end`, content: "deep\n" };
  }
  yield* tarOf(entries());
}

describe("an image", async () => {
  const home = await makeHome();
  const umociMissing = await registriesMissing();
  const command = async (...args: string[]) => {
    const { code, stdout, stderr } = await home.run(args);
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
    return stdout;
  };

  test("with busybox as init, OpenRC and musl boots and runs its services", {
    skip: umociMissing || (await openrcMissing()),
  }, async () => {
    await using maker = await ImageMaker.make();
    await maker.image("openrc", [OPENRC]);
    await command("image", "import", "-q", maker.layout, "openrc:1");
    await command("vm", "run", "-d", "--name", "rc", ...SMALL, "--image", "openrc:1");
    const guest = (...args: string[]) => command("vm", "exec", "rc", "--timeout", "60s", "--", ...args);
    // A fifo: both sides wait for the other.
    assert.equal(await guest("cat", "/root/started"), "app\n");
    assert.equal(await guest("cat", "/proc/1/comm"), "init\n");
    assert.equal(await guest("readlink", "/proc/1/exe"), "/bin/busybox\n");
    assert.equal(await guest("/usr/bin/who-is"), "app\n");
    await command("vm", "delete", "rc");
  });

  test("of one program and a user for it runs that program as that user", {
    skip: await buildahMissing(),
  }, async () => {
    await using buildah = await Buildah.make();
    await buildah.image("distroless", DISTROLESS, DISTROLESS_CONFIG);
    await command("image", "import", "-q", buildah.layout("distroless"), "distroless:1");
    const uid = await command("vm", "run", "--rm", ...SMALL, "--image", "distroless:1");
    assert.match(uid, /^uid=65532\(nonroot\) gid=65532\(nonroot\)/);
  });

  test(`of ${FILES} files, ${LINKS} links to one of them, and paths near the limit has them all`, async () => {
    const layout = new Layout(join(home.path, "layout"));
    await layout.image("many", [await layout.layer(everything())]);
    await command("image", "import", "-q", layout.folder, "many:1");
    const script = `find /many -type f | wc -l; echo $(cat /many/649/64999); stat -c '%h %s' /farm/first; find /farm | wc -l
      cat /${DEEP}/end; stat -c '%a %u' /etc/secret; cat /etc/secret`;
    const said = await command(
      "vm",
      "run",
      "--rm",
      ...SMALL,
      "--image",
      "many:1",
      "--",
      "/bin/sh",
      "-euc",
      script,
    );
    assert.equal(said, `${FILES}\n64999\n${LINKS} 7\n${LINKS + 1}\ndeep\n0 0\nroot's alone\n`);
  });
});
