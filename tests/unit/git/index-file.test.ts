/** git's index as git writes it is read, and what is written git reads. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { formatIndex, isTreePath, parseIndex } from "../../../src/git/index-file.ts";
import { withoutSecrets } from "../../../src/git/repository.ts";
import { isNewEnough } from "../../../src/host/git.ts";
import { git, makeRepository } from "../../support/repository.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const FILES = { a: "1", "dir/b c": "2", [`long/${"x".repeat(200)}`]: "3", "long/y": "", ü: "5" };

for (const format of ["sha1", "sha256"] as const) {
  test(`${format}: versions 2, 3 and 4 are read alike and written so that git agrees`, (t) => {
    const repo = makeRepository(join(temporaryFolder(t), "r"), FILES, `--object-format=${format}`);
    const index = join(repo, ".git/index");
    const told = git(repo, "ls-files", "-s", "-v", "-z");
    for (const version of ["2", "4"]) {
      git(repo, "update-index", `--index-version=${version}`);
      const { entries, incomplete } = parseIndex(readFileSync(index), format);
      assert.equal(incomplete, false);
      assert.deepEqual(entries.map(({ path }) => path).length, Object.keys(FILES).length);
      writeFileSync(index, formatIndex(entries, format));
      assert.equal(git(repo, "ls-files", "-s", "-v", "-z"), told);
      assert.equal(git(repo, "status", "--porcelain"), "");
    }
    git(repo, "update-index", "--skip-worktree", "a"); // version 3
    const { entries } = parseIndex(readFileSync(index), format);
    assert.deepEqual(
      entries.filter((entry) => entry.skipWorktree).map(({ path }) => path),
      ["a"],
    );
    writeFileSync(index, formatIndex(entries, format));
    assert.match(git(repo, "ls-files", "-v"), /^S a$/m);
  });
}

test("damage is an error, and so is a path that leads out of the tree", (t) => {
  const repo = makeRepository(join(temporaryFolder(t), "r"), FILES);
  const bytes = readFileSync(join(repo, ".git/index"));
  const refused = (change: Buffer) => assert.throws(() => parseIndex(change, "sha1"), { code: "git_failed" });
  refused(bytes.subarray(0, 40));
  refused(Buffer.concat([bytes.subarray(0, 30), Buffer.from([bytes[30] ?? 0 ^ 1]), bytes.subarray(31, 60)]));
  refused(Buffer.from("no index at all, but long enough to be one"));
  const [first] = parseIndex(bytes, "sha1").entries;
  assert.ok(first);
  for (const path of ["../out", ".git/hooks/x", "a/.GIT/x", "/abs", "a//b", "a/./b"]) {
    assert.equal(isTreePath(path), false);
    refused(formatIndex([{ ...first, path }], "sha1"));
  }
  for (const path of [".gitignore", "a/..b", "-x", "...", ".github/x"]) assert.equal(isTreePath(path), true);
});

test("addresses lose what could be a password", () => {
  for (const [url, kept] of [
    ["https://user:token@example.com/x.git", "https://example.com/x.git"],
    ["https://token@example.com/x.git", "https://example.com/x.git"],
    ["ssh://git@example.com:22/x.git", "ssh://git@example.com:22/x.git"],
    ["ssh://git:word@example.com/x.git", "ssh://example.com/x.git"],
    ["git@example.com:x.git", "git@example.com:x.git"],
    ["/srv/x@y.git", "/srv/x@y.git"],
    [null, null],
  ] as const) {
    assert.equal(withoutSecrets(url), kept);
  }
});

test("a git that is too old is told from its version", () => {
  assert.deepEqual(["git version 2.30.9", "git version 2.31.0", "git version 3.0"].map(isNewEnough), [
    false,
    true,
    true,
  ]);
});
