/** Archives of a hostile guest: nothing outside the target, nothing unbounded, and each refusal names the member. */
import assert from "node:assert/strict";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { BLOCK } from "../../../src/archive/member.ts";
import { Unpacker, type UnpackOptions } from "../../../src/archive/unpack.ts";
import { clean } from "../../../src/core/errors.ts";
import { archive, type Made, member } from "../../support/archive.ts";
import { temporaryFolder } from "../../support/temporary.ts";

/** A target, and a place beside it that must stay as it is. */
function places(t: TestContext) {
  let folder = "";
  t.after(() => {
    assert.deepEqual(readdirSync(folder).sort(), ["outside", "target"]);
    assert.deepEqual(readdirSync(join(folder, "outside")), ["precious"]);
    assert.equal(readFileSync(join(folder, "outside/precious"), "utf8"), "untouched");
    assert.equal(lstatSync(join(folder, "outside/precious")).mode & 0o777, 0o600);
  });
  folder = temporaryFolder(t); // removed after the check above
  const [target, outside] = [join(folder, "target"), join(folder, "outside")];
  mkdirSync(target);
  mkdirSync(outside);
  writeFileSync(join(outside, "precious"), "untouched", { mode: 0o600 });
  return { target, outside };
}

function unpack(target: string, bytes: Buffer, options: UnpackOptions = {}): void {
  const unpacker = new Unpacker(target, options);
  try {
    unpacker.push(bytes);
    unpacker.finish();
  } catch (error) {
    unpacker.abandon();
    throw error;
  }
}

const REFUSED: Record<string, { readonly members: readonly Made[]; readonly message: RegExp }> = {
  "a name with ..": {
    members: [{ name: "a/../../outside/x" }],
    message: /'a\/\.\.\/\.\.\/outside\/x' contains '\.\.'/,
  },
  "an absolute name": { members: [{ name: "/etc/x" }], message: /'\/etc\/x' is an absolute name/ },
  "an empty name": { members: [{ name: "" }], message: /empty name/ },
  "a name of 5000 bytes": { members: [{ name: "a/".repeat(2500) }], message: /too long/ },
  "a component of 300 bytes": { members: [{ name: "a".repeat(300) }], message: /too long/ },
  "a file below a symlink that the archive made": {
    members: [
      { name: "way", type: "symlink", link: "../outside" },
      { name: "way/precious", content: "x" },
    ],
    message: /way\/precious.*symbolic link/,
  },
  "a folder in the place of a symlink": {
    members: [
      { name: "way", type: "symlink", link: "../outside" },
      { name: "way", type: "directory", mode: 0o777 },
    ],
    message: /way.*no directory/,
  },
  "a hard link that leaves by ..": {
    members: [{ name: "x", type: "hardlink", link: "../outside/precious" }],
    message: /'x' is a link to '\.\.\/outside\/precious' contains '\.\.'/,
  },
  "a hard link to an absolute name": {
    members: [{ name: "x", type: "hardlink", link: "/etc/passwd" }],
    message: /absolute/,
  },
  "a hard link through a symlink": {
    members: [
      { name: "way", type: "symlink", link: "../outside" },
      { name: "x", type: "hardlink", link: "way/precious" },
    ],
    message: /x.*symbolic link/,
  },
  "a file in the place of a folder": {
    members: [
      { name: "d", type: "directory" },
      { name: "d", content: "x" },
    ],
    message: /^d cannot be written: a directory is in the way/,
  },
  "a folder in the place of a file": {
    members: [
      { name: "f", content: "x" },
      { name: "f/g", content: "y" },
    ],
    message: /f\/g.*no directory is in the way/,
  },
  "a top that is a file": {
    members: [{ name: "./", type: "symlink", link: "x" }],
    message: /top is no directory/,
  },
  "a size beyond all disks": {
    members: [{ name: "huge", size: Number.MAX_SAFE_INTEGER - 1, content: "" }],
    message: /huge|ends too early/,
  },
  "a sparse file beyond what can be": {
    members: [{ name: "huge", size: 2 ** 53 - 1, segments: [{ offset: 2 ** 53 - 1, size: 0 }] }],
    message: /huge.*larger/,
  },
};

describe("an archive is refused for", () => {
  for (const [what, { members, message }] of Object.entries(REFUSED))
    test(what, (t) => {
      const { target } = places(t);
      assert.throws(() => unpack(target, archive(...members)), { message });
      assert.ok(!existsSync(join(target, "huge")));
    });

  test("damage, naming what is wrong", (t) => {
    const { target } = places(t);
    const good = archive({ name: "f", content: "x".repeat(1000) });
    const damaged = Buffer.from(good);
    damaged[0] = 0x41;
    assert.throws(() => unpack(target, damaged), { code: "archive_invalid", message: /checksum/ });
    for (const end of [100, BLOCK, 2 * BLOCK, good.length - 2 * BLOCK])
      assert.throws(() => unpack(target, good.subarray(0, end)), { message: /too early/ });
    assert.throws(() => unpack(target, Buffer.concat([good.subarray(0, -BLOCK), good])), {
      message: /end blocks/,
    });
    assert.throws(() => unpack(target, Buffer.alloc(0)), { message: /too early/ });
  });

  test("headers of headers without bound", (t) => {
    const { target } = places(t);
    const long = member({ name: "x", content: Buffer.alloc(2 ** 20 + 1) });
    long.write("L", 156);
    let sum = 8 * 32;
    for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += long[i] as number;
    long.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    assert.throws(() => unpack(target, long), { message: /extended header of more than 1 MiB/ });
  });
});

describe("the host is safe from", () => {
  test("symlinks that were in the target before: they are not written through", (t) => {
    const { target, outside } = places(t);
    symlinkSync(outside, join(target, "way"));
    symlinkSync(join(outside, "precious"), join(target, "file"));
    assert.throws(() => unpack(target, archive({ name: "way/precious", content: "x" })), {
      message: /symbolic link/,
    });
    unpack(target, archive({ name: "file", content: "new" }));
    assert.ok(lstatSync(join(target, "file")).isFile());
  });

  test("hard links that were in the target before: the other name keeps its content, mode and time", (t) => {
    const { target, outside } = places(t);
    linkSync(join(outside, "precious"), join(target, "x"));
    unpack(target, archive({ name: "x", content: "new", mode: 0o777 }));
    assert.equal(readFileSync(join(target, "x"), "utf8"), "new");
  });

  test("files that were not asked for", (t) => {
    const { target } = places(t);
    const options = { top: Buffer.from("wanted") };
    unpack(target, archive({ name: "wanted/", type: "directory" }, { name: "wanted/x" }), options);
    for (const name of [".bashrc", "./.bashrc", "other/wanted", "wantedx"])
      assert.throws(() => unpack(target, archive({ name }), options), { message: /was not asked for/ });
    assert.throws(() => unpack(target, archive({ name: "./", type: "directory" }), options), {
      message: /not asked for/,
    });
    assert.deepEqual(readdirSync(target), ["wanted"]);
  });

  test("set-id bits, devices and pipes", (t) => {
    const { target } = places(t);
    const left: string[] = [];
    const types = ["char", "block", "fifo"] as const;
    unpack(
      target,
      archive(
        ...types.map((type) => ({ name: type, type })),
        { name: "suid", mode: 0o6755 },
        { name: "dir", type: "directory" as const, mode: 0o7777 },
      ),
      { onLeftOut: ({ path }) => left.push(path) },
    );
    assert.deepEqual(left, [...types]);
    assert.deepEqual(readdirSync(target).sort(), ["dir", "suid"]);
    assert.equal(lstatSync(join(target, "suid")).mode & 0o7777, 0o755);
    assert.equal(lstatSync(join(target, "dir")).mode & 0o7777, 0o777);
  });

  test("a transfer that breaks off: what was there stays, and no part of a file is left", (t) => {
    const { target } = places(t);
    writeFileSync(join(target, "old"), "old content");
    const whole = archive({ name: "done", content: "d" }, { name: "old", content: "n".repeat(5000) });
    assert.throws(() => unpack(target, whole.subarray(0, 3 * BLOCK + 700)), { message: /'old'/ });
    assert.deepEqual(readdirSync(target).sort(), ["done", "old"]);
    assert.equal(readFileSync(join(target, "old"), "utf8"), "old content");
    const fresh = archive({ name: "fresh", content: "n".repeat(5000) });
    assert.throws(() => unpack(target, fresh.subarray(0, BLOCK + 700)), { message: /'fresh'/ });
    assert.ok(!existsSync(join(target, "fresh")));
  });

  test("terminal controls in names", (t) => {
    const { target } = places(t);
    assert.throws(
      () => unpack(target, archive({ name: "../\x1b]0;owned\x07\n" })),
      (error: Error) => {
        assert.equal(error.message, clean(error.message).replaceAll("\n", ""));
        return true;
      },
    );
  });
});
