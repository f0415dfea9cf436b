import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { silent, type Work } from "../../../src/core/stage.ts";
import { npmFiles, WrongPackage } from "../../../src/images/npm-files.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const work: Work = { report: silent, signal: new AbortController().signal };

/** An npm in the user's place that serves `archive` for whatever it is asked. */
function setUp(t: TestContext) {
  const folder = temporaryFolder(t);
  const [bin, cache, target] = [join(folder, "bin"), join(folder, "cache"), join(folder, "target")];
  const archive = join(folder, "served.tgz");
  mkdirSync(join(folder, "package/bin"), { recursive: true });
  writeFileSync(join(folder, "package/bin/tool"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(folder, "package/LICENSE"), "MIT");
  execFileSync("tar", ["-czf", archive, "-C", folder, "package"]);
  mkdirSync(bin);
  writeFileSync(join(bin, "npm"), `#!/bin/sh\necho "$@" >>"${folder}/asked"\ncp "${archive}" ./got.tgz\n`, {
    mode: 0o755,
  });
  const path = process.env.PATH;
  process.env.PATH = `${bin}:${path}`;
  t.after(() => {
    process.env.PATH = path;
  });
  const integrity = `sha512-${createHash("sha512").update(readFileSync(archive)).digest("base64")}`;
  const source = {
    package: "@some/tool",
    version: "1.2.3",
    integrity,
    files: { "package/bin/tool": "/usr/bin/tool", "package/LICENSE": "/usr/share/doc/tool/copyright" },
  };
  const asked = () => readFileSync(join(folder, "asked"), "utf8").trimEnd().split("\n");
  return { source, cache, target, asked };
}

test("files of a package are fetched once, and verified each time", async (t) => {
  const { source, cache, target, asked } = setUp(t);
  const files = await npmFiles([source], cache, target, work);
  assert.deepEqual(
    files.map(({ to, executable }) => [to, executable]),
    [
      ["/usr/bin/tool", true],
      ["/usr/share/doc/tool/copyright", false],
    ],
  );
  assert.equal(readFileSync(files[0]?.from ?? "", "utf8"), "#!/bin/sh\n");
  await npmFiles([source], cache, target, work);
  assert.equal(asked().length, 1);
  assert.match(asked()[0] ?? "", /^pack --ignore-scripts .* -- @some\/tool@1\.2\.3$/);

  writeFileSync(join(cache, "npm/@some+tool-1.2.3.tgz"), "damaged");
  await npmFiles([source], cache, target, work);
  assert.equal(asked().length, 2, "a damaged copy is fetched anew");
});

test("a package that is not the one meant is refused, and nothing of it is kept", async (t) => {
  const { source, cache, target } = setUp(t);
  const meant = { ...source, integrity: `sha512-${"A".repeat(86)}==` };
  await assert.rejects(npmFiles([meant], cache, target, work), (error: Error) => {
    assert.ok(error instanceof WrongPackage);
    assert.match(error.message, /@some\/tool@1\.2\.3 came as sha512-/);
    return true;
  });
  assert.deepEqual(readdirSync(join(cache, "npm")), []);
});
