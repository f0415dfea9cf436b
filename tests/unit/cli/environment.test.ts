/** The environment of a guest command: -e, --env-file, and what is refused. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { commandEnvironment, parseEnvironmentFile } from "../../../src/cli/options/environment.ts";
import { BangerError } from "../../../src/core/errors.ts";
import { temporaryFolder } from "../../support/temporary.ts";

describe("an env file", () => {
  const read = (content: string, host: NodeJS.ProcessEnv = {}) => parseEnvironmentFile(content, "f", host);

  test("has one K=V a line; values are taken as they are", () => {
    assert.deepEqual(read('A=1\nB=two words \nC="quoted" # kept\nD==\nE=\n'), {
      A: "1",
      B: "two words ",
      C: '"quoted" # kept',
      D: "=",
      E: "",
    });
  });

  test("may have comments, empty lines, a byte order mark, CRLF, no last line feed", () => {
    assert.deepEqual(read("\uFEFFA=1\r\n\r\n  # B=2\r\n  C=3"), { A: "1", C: "3" });
  });

  test("takes a bare name from this shell, and leaves it out where it is not set", () => {
    assert.deepEqual(read("HERE\nGONE\n", { HERE: "yes" }), { HERE: "yes" });
  });

  test("that is wrong names its line and not the value, which may be a secret", () => {
    assert.throws(
      () => read("A=1\nmy key=hunter2\n"),
      (error: BangerError) => {
        assert.equal(error.exit, 2);
        assert.match(error.message, /f, line 2.*'my key'/);
        assert.doesNotMatch(`${error.message}${error.hint}`, /hunter2/);
        return true;
      },
    );
    assert.throws(() => read("=x"), BangerError);
    assert.throws(() => read("A=\0"), BangerError);
  });
});

describe("a command's environment", () => {
  test("has the files in order, then -e on top", async (t) => {
    const folder = temporaryFolder(t);
    const [one, two] = [join(folder, "one"), join(folder, "two")];
    writeFileSync(one, "A=file1\nB=file1\nC=file1\n");
    writeFileSync(two, "B=file2\nC=file2\n");
    assert.deepEqual(
      await commandEnvironment({ env: ["C=typed", "D"], envFile: [one, two] }, { D: "shell" }),
      {
        A: "file1",
        B: "file2",
        C: "typed",
        D: "shell",
      },
    );
  });

  test("a file that cannot be read is a usage error with its name", async () => {
    await assert.rejects(commandEnvironment({ env: [], envFile: ["/no/such"] }, {}), (error: BangerError) => {
      assert.equal(error.exit, 2);
      assert.match(error.message, /--env-file: \/no\/such cannot be read/);
      return true;
    });
  });
});
