/** Repositories of every kind arrive as they are: prepared through the real agent, compared by real git. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  watch,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { dryRun } from "../../src/cli/dry-run.ts";
import { commit, git, makeRepository, write } from "../support/repository.ts";
import { bench } from "../support/workspace.ts";

/** Everything that git can tell of a work tree is told alike, and the files are the same byte for byte. */
function assertSame(
  host: string,
  guest: string,
  options: { readonly ignore?: readonly string[] } = {},
): void {
  for (const question of [
    ["status", "--porcelain=v2", "-z", "--untracked-files=no"],
    ["ls-files", "-s", "-v", "-z"],
    ["diff", "--no-ext-diff", "--binary"],
    ["diff", "--no-ext-diff", "--binary", "--cached"],
  ]) {
    assert.equal(git(guest, ...question), git(host, ...question), question.join(" "));
  }
  git(guest, "fsck", "--strict", "--no-dangling");
  const exclude = ["--exclude=.git", ...(options.ignore ?? []).map((name) => `--exclude=${name}`)];
  execFileSync("diff", ["-r", "--no-dereference", ...exclude, host, guest]);
}

test("edits, staged and not, deletions, renames, modes, links, odd names and empty files arrive", async (t) => {
  const { repo, prepare } = await bench(t);
  const odd = [
    "with space",
    "new\nline",
    'quo"te',
    "back\\slash",
    "-dash",
    "tab\there",
    "caf\u00e9",
    "cafe\u0301",
    "a/deep/er/file",
  ];
  write(repo, Object.fromEntries(odd.map((name) => [name, name])));
  write(repo, {
    empty: "",
    staged: "1",
    both: "1",
    gone: "x",
    moved: "m\n".repeat(20),
    tool: "#!/bin/sh\n",
    "dir/was": "y",
  });
  symlinkSync("/nowhere/at/all", join(repo, "dangling"));
  symlinkSync("../outside", join(repo, "outside"));
  symlinkSync("x".repeat(300), join(repo, "long-link"));
  write(repo, { [`${"n".repeat(90)}/${"m".repeat(200)}`]: "long name" });
  commit(repo, "second");
  write(repo, { staged: "2", both: "2" });
  git(repo, "add", "staged", "both");
  write(repo, { both: "3", readme: "edited\n", untracked: "stays here" });
  unlinkSync(join(repo, "gone"));
  git(repo, "mv", "moved", "elsewhere");
  chmodSync(join(repo, "tool"), 0o755);
  rmSync(join(repo, "dir"), { recursive: true });
  symlinkSync("empty", join(repo, "dir"));
  write(repo, { "new-file": "intent" });
  git(repo, "add", "--intent-to-add", "new-file");
  const guest = await prepare();
  // `dir` was a folder with a tracked file and is an untracked symlink now.
  assertSame(repo, guest, { ignore: ["untracked", "dir"] });
  assert.equal(existsSync(join(guest, "untracked")), false);
  assert.equal(git(guest, "symbolic-ref", "HEAD"), "refs/heads/main\n");
  assert.equal(git(guest, "rev-parse", "HEAD"), git(repo, "rev-parse", "HEAD"));
});

test("untracked files come only when asked for, ignored ones never", async (t) => {
  const { repo, prepare } = await bench(t);
  write(repo, { ".gitignore": "*.log\nbuild/\n" });
  commit(repo, "ignore");
  write(repo, {
    "a.log": "",
    "build/x": "",
    "notes/todo": "do",
    ".git/info/exclude": "secret\n",
    secret: "s",
  });
  assert.equal(existsSync(join(await prepare(), "notes")), false);
  const guest = await prepare({ includeUntracked: true });
  assert.deepEqual(readdirSync(guest).sort(), [".git", ".gitignore", "notes", "readme"]);
  assert.equal(git(guest, "status", "--porcelain"), "?? notes/\n");
});

test("no more than ten commits go along, merges included, and the rest of the history stays behind", async (t) => {
  const { repo, prepare } = await bench(t);
  for (let n = 0; n < 15; n++) {
    write(repo, { counter: String(n) });
    commit(repo, `number ${n}`);
  }
  git(repo, "checkout", "-q", "-b", "side", "HEAD~3");
  write(repo, { side: "s" });
  commit(repo, "aside");
  git(repo, "checkout", "-q", "main");
  git(repo, "merge", "-q", "--no-ff", "-m", "merge", "side");
  const guest = await prepare();
  git(repo, "clone", "-q", "--depth=10", `file://${repo}`, join(repo, "../cloned"));
  const log = (folder: string) => git(folder, "log", "--format=%H %P", "--all");
  assert.equal(log(guest), log(join(repo, "../cloned")));
  assertSame(repo, guest);
});

test("line ends and attributes: the content is that of the work tree, and nothing counts as changed", async (t) => {
  const { repo, prepare } = await bench(t);
  write(repo, { ".gitattributes": "*.txt text eol=crlf\n*.dat filter=scramble\n*.id ident\n" });
  write(repo, { "a.txt": "one\r\ntwo\r\n", "v.id": "$Id$\n" });
  git(repo, "config", "filter.scramble.clean", "tr a-z b-za");
  git(repo, "config", "filter.scramble.smudge", "touch /tmp/never; tr b-za a-z");
  write(repo, { "x.dat": "abc\n" });
  // Within the second of its last change git would look at the content, and the guest has no such filter.
  utimesSync(join(repo, "x.dat"), 1_700_000_000, 1_700_000_000);
  commit(repo, "attributes");
  const guest = await prepare();
  assert.equal(readFileSync(join(guest, "a.txt"), "latin1"), "one\r\ntwo\r\n");
  assert.equal(readFileSync(join(guest, "x.dat"), "latin1"), "abc\n");
  assert.equal(git(guest, "status", "--porcelain"), "");
  assert.equal(git(guest, "config", "--get-regexp", ".*").includes("scramble"), false);
});

test("linked work trees, detached heads, branches with slashes and packed refs", async (t) => {
  const { repo, folder, prepare } = await bench(t);
  git(repo, "branch", "feature/deep/one");
  git(repo, "pack-refs", "--all");
  const linked = join(folder, "linked");
  git(repo, "worktree", "add", "-q", linked, "feature/deep/one");
  write(linked, { readme: "here\n" });
  const guest = await prepare({ path: linked });
  assertSame(linked, guest);
  assert.equal(git(guest, "symbolic-ref", "HEAD"), "refs/heads/feature/deep/one\n");
  git(repo, "checkout", "-q", "--detach");
  const detached = await prepare({ path: join(repo) });
  assertSame(repo, detached);
  assert.throws(() => git(detached, "symbolic-ref", "-q", "HEAD"));
});

test("a branch without commits, with and without staged files", async (t) => {
  const { folder, prepare } = await bench(t);
  const fresh = join(folder, "fresh");
  mkdirSync(fresh);
  git(fresh, "init", "-q", "-b", "trunk");
  assert.match(git(await prepare({ path: fresh }), "status"), /On branch trunk\n\nNo commits yet/);
  write(fresh, { one: "1", two: "2" });
  git(fresh, "add", "one");
  const guest = await prepare({ path: fresh });
  assert.equal(git(guest, "ls-files", "-s"), git(fresh, "ls-files", "-s"));
  assert.equal(readFileSync(join(guest, "one"), "utf8"), "1");
});

test("shallow sources, sha256 repositories, split and sparse indexes", async (t) => {
  const { repo, folder, prepare } = await bench(t, "--object-format=sha256");
  write(repo, { readme: "edited\n" });
  assertSame(repo, await prepare());
  const source = makeRepository(join(folder, "source"));
  for (let n = 0; n < 5; n++) commit(source, `number ${n}`);
  const shallow = join(folder, "shallow");
  git(folder, "clone", "-q", "--depth=3", `file://${source}`, shallow);
  const guest = await prepare({ path: shallow });
  assertSame(shallow, guest);
  assert.equal(git(guest, "rev-list", "--count", "HEAD"), "3\n");
  write(source, { "in/a": "a", "out/b": "b", "out/deep/c": "c" });
  commit(source, "folders");
  git(source, "update-index", "--split-index");
  write(source, { "in/a": "changed" });
  git(source, "add", "in/a");
  assertSame(source, await prepare({ path: source }));
  git(source, "update-index", "--no-split-index");
  git(source, "commit", "-q", "-m", "more");
  git(source, "sparse-checkout", "set", "--cone", "--sparse-index", "in");
  const sparse = await prepare({ path: source });
  assert.equal(existsSync(join(sparse, "out")), false);
  assert.equal(git(sparse, "status", "--porcelain"), "");
  git(sparse, "sparse-checkout", "disable");
  assert.equal(readFileSync(join(sparse, "out/deep/c"), "utf8"), "c");
});

test("conflicts of a merge stay conflicts", async (t) => {
  const { repo, prepare } = await bench(t);
  git(repo, "checkout", "-q", "-b", "other");
  write(repo, { readme: "theirs\n" });
  commit(repo, "theirs");
  git(repo, "checkout", "-q", "main");
  write(repo, { readme: "ours\n" });
  commit(repo, "ours");
  assert.throws(() => git(repo, "merge", "-q", "other"));
  const guest = await prepare();
  assert.equal(git(guest, "ls-files", "-s"), git(repo, "ls-files", "-s"));
  assert.equal(readFileSync(join(guest, "readme"), "utf8"), readFileSync(join(repo, "readme"), "utf8"));
});

test("what could run or leak does not travel: hooks, configuration, credentials, and nothing of it runs here", async (t) => {
  const { repo, folder, prepare } = await bench(t);
  const trap = join(folder, "sprung");
  const spring = `#!/bin/sh\ntouch ${trap}\n`;
  for (const hook of ["post-checkout", "post-index-change", "reference-transaction", "pre-commit"]) {
    write(repo, { [`.git/hooks/${hook}`]: spring });
    chmodSync(join(repo, ".git/hooks", hook), 0o755);
  }
  write(folder, { "trap.sh": spring });
  chmodSync(join(folder, "trap.sh"), 0o755);
  const script = join(folder, "trap.sh");
  write(repo, { ".gitattributes": "* filter=evil diff=evil\n" });
  git(repo, "-c", "core.hooksPath=/dev/null", "add", ".gitattributes");
  git(repo, "-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "attributes");
  for (const [name, value] of Object.entries({
    "core.fsmonitor": script,
    "filter.evil.clean": script,
    "filter.evil.smudge": script,
    "filter.evil.process": script,
    "diff.evil.textconv": script,
    "diff.external": script,
    "core.sshCommand": script,
    "credential.helper": script,
    "core.pager": script,
    "gpg.program": script,
    "uploadpack.packObjectsHook": script,
    "remote.origin.url": "https://user:token@example.com/x.git",
    "http.extraHeader": "Authorization: secret",
  })) {
    git(repo, "config", name, value);
  }
  write(repo, { readme: "edited\n" });
  renameSync(join(repo, "readme"), join(repo, "readme.tmp"));
  renameSync(join(repo, "readme.tmp"), join(repo, "readme"));
  const guest = await prepare({ includeUntracked: true });
  assert.equal(existsSync(trap), false, "something of the repository's ran on the host");
  const config = readFileSync(join(guest, ".git/config"), "utf8");
  assert.match(config, /url = "https:\/\/example.com\/x.git"/);
  assert.doesNotMatch(config, /token|secret|evil|trap/);
  assert.equal(existsSync(join(guest, ".git/hooks")), false);
});

test("thousands of files and a large one", async (t) => {
  const { repo, prepare } = await bench(t);
  const files: Record<string, string> = {};
  for (let n = 0; n < 3_000; n++) files[`d${n % 100}/f${n}`] = `content of ${n}\n`;
  write(repo, files);
  commit(repo, "many");
  write(repo, { big: Buffer.alloc(40 << 20, "0123456789abcdef") });
  assertSame(repo, await prepare({ includeUntracked: true }));
});

test("again: only what differs moves, and the guest is as the host then", async (t) => {
  const it = await bench(t);
  const { repo, folder } = it;
  const files: Record<string, string> = {};
  for (let n = 0; n < 200; n++) files[`d/f${n}`] = `${n}\n`;
  write(repo, { ...files, "old/one": "1", "old/two": "2", link: "soon a link" });
  commit(repo, "many");
  const guestPath = join(folder, "guest/repo");
  const guest = await it.prepare({ guestPath });
  const untouched = lstatSync(join(guest, "d/f7")).ino;
  write(guest, { "own/notes": "the guest's", "own/build.log": "" });
  write(repo, { "d/f1": "edited\n", "new/file": "n\n", staged: "s\n" });
  git(repo, "add", "staged", "new/file");
  rmSync(join(repo, "old"), { recursive: true });
  unlinkSync(join(repo, "link"));
  symlinkSync("d/f1", join(repo, "link"));
  await it.prepare({ guestPath });
  assertSame(repo, guest, { ignore: ["own"] });
  assert.equal(it.record?.files, 6, "two edits, two new files, two deletions");
  assert.equal(lstatSync(join(guest, "d/f7")).ino, untouched);
  assert.equal(existsSync(join(guest, "old")), false);
  assert.equal(readFileSync(join(guest, "own/notes"), "utf8"), "the guest's");
  // Commits of the host, and a branch elsewhere in its history.
  commit(repo, "all of it");
  await it.prepare({ guestPath });
  assertSame(repo, guest, { ignore: ["own"] });
  for (let n = 0; n < 14; n++) commit(repo, `number ${n}`);
  await it.prepare({ guestPath });
  git(repo, "checkout", "-q", "-b", "aside", "HEAD~13");
  write(repo, { aside: "a" });
  commit(repo, "aside");
  await it.prepare({ guestPath });
  assertSame(repo, guest, { ignore: ["own"] });
  assert.equal(git(guest, "symbolic-ref", "HEAD"), "refs/heads/aside\n");
  assert.deepEqual(
    (await it.export()).files.map(({ path }) => path),
    ["own/build.log", "own/notes"],
  );
});

test("again: the guest's work is never lost unasked", async (t) => {
  const it = await bench(t);
  const { repo, folder } = it;
  write(repo, { one: "1\n", two: "2\n" });
  commit(repo, "files");
  const guestPath = join(folder, "guest/repo");
  const guest = await it.prepare({ guestPath });
  const refused = async (reason: RegExp) => {
    const before = readFileSync(join(guest, "one"), "utf8");
    await assert.rejects(it.prepare({ guestPath }), (error: Error & { code: string }) => {
      assert.equal(error.code, "workspace_guest_changes");
      assert.match(error.message, reason);
      return true;
    });
    assert.equal(readFileSync(join(guest, "one"), "utf8"), before);
  };
  write(guest, { one: "guest\n" });
  await refused(/: one$/);
  write(repo, { two: "host\n" });
  await refused(/: one$/);
  write(guest, { one: "1\n", two: "staged\n" });
  git(guest, "add", "two");
  write(guest, { two: "2\n" });
  await refused(/two \(staged\)/);
  write(guest, { two: "committed\n" });
  const made = commit(guest, "by the guest");
  await refused(/commits up to .*two/);
  await it.prepare({ guestPath, force: true });
  assertSame(repo, guest);
  assert.equal(
    git(guest, "rev-parse", "refs/banger/replaced").trim(),
    made,
    "not even then are commits thrown away",
  );
  // What the host has taken over is not lost.
  write(guest, { three: "3\n", two: "host\n" });
  commit(guest, "more");
  await it.export({ branch: "taken" });
  git(repo, "reset", "-q", "--hard", "taken");
  await it.prepare({ guestPath });
  assertSame(repo, guest);
  rmSync(join(guest, ".git"), { recursive: true });
  await refused(/\.git is gone/);
  await it.prepare({ guestPath, force: true });
  assertSame(repo, guest);
});

test("what is in the way is not replaced, and a new branch is the guest's alone", async (t) => {
  const it = await bench(t);
  const { repo, folder } = it;
  const guestPath = join(folder, "guest/repo");
  write(folder, { "guest/repo/mine": "m" });
  await assert.rejects(it.prepare({ guestPath }), { code: "workspace_in_the_way" });
  assert.equal(readFileSync(join(guestPath, "mine"), "utf8"), "m");
  const guest = await it.prepare({ guestPath, force: true, branch: "fix/it" });
  assert.equal(git(guest, "symbolic-ref", "HEAD"), "refs/heads/fix/it\n");
  assert.equal(git(repo, "branch", "--format=%(refname:short)"), "main\n");
  write(repo, { readme: "later\n" });
  await it.prepare({ guestPath });
  assert.equal(git(guest, "symbolic-ref", "HEAD"), "refs/heads/fix/it\n");
  git(repo, "branch", "there");
  await assert.rejects(it.prepare({ branch: "there" }), /has a branch 'there' already/);
  await assert.rejects(it.prepare({ branch: "no..name" }), /'no..name' cannot be a branch's name/);
  await assert.rejects(it.prepare({ branch: "new", from: "no-such" }), /'no-such' is no commit/);
  const readonly = await it.prepare({ readOnly: true });
  assert.equal(lstatSync(join(readonly, "readme")).mode & 0o777, 0o444);
  assert.equal(git(readonly, "status", "--porcelain"), " M readme\n");
});

test("a repository that changes while it is copied is told, and the guest has nothing of it", async (t) => {
  const it = await bench(t);
  write(it.repo, { big: Buffer.alloc(8 << 20, 7) });
  commit(it.repo, "big");
  const guestPath = join(it.folder, "guest/repo");
  const running = it.prepare({ guestPath });
  await new Promise<void>((resolve) => {
    const seen = watch(it.folder, { recursive: true }, (_event, name) => {
      if (!name?.includes(".repo.banger-")) return;
      seen.close();
      write(it.repo, { readme: "changed in between\n" });
      resolve();
    });
  });
  await assert.rejects(running, { code: "workspace_changed" });
  assert.deepEqual(readdirSync(join(it.folder, "guest")), []);
});

test("a branch from another commit has its files, and the edits of the work tree over them", async (t) => {
  const it = await bench(t);
  const { repo } = it;
  write(repo, { ".gitattributes": "*.txt text eol=crlf\n", "a.txt": "old\r\n", gone: "g\n", same: "s\n" });
  commit(repo, "old");
  git(repo, "tag", "v1");
  write(repo, { "a.txt": "new\r\n", later: "l\n" });
  unlinkSync(join(repo, "gone"));
  commit(repo, "new");
  write(repo, { same: "edited\n", staged: "st\n" });
  git(repo, "add", "staged");
  const guest = await it.prepare({ branch: "fix", from: "v1" });
  assert.equal(git(guest, "rev-parse", "HEAD"), git(repo, "rev-parse", "v1"));
  assert.equal(git(guest, "status", "--porcelain"), " M same\nA  staged\n");
  assert.deepEqual(readdirSync(guest).sort(), [
    ".git",
    ".gitattributes",
    "a.txt",
    "gone",
    "readme",
    "same",
    "staged",
  ]);
  assert.equal(readFileSync(join(guest, "a.txt"), "latin1"), "old\r\n");
  const asked = { branch: "fix", from: "v1", includeUntracked: false, mode: undefined };
  assert.deepEqual(
    (await dryRun(repo, asked)).files.map(({ path }) => path),
    [".gitattributes", "a.txt", "gone", "readme", "same", "staged"],
    "--dry-run tells the same",
  );
  git(guest, "fsck", "--strict");
  write(guest, { gone: "changed by the guest\n" });
  assert.deepEqual(
    (await it.export()).files.map(({ path }) => path),
    ["gone"],
  );
  write(repo, { "a.txt": "edited\r\n" });
  await assert.rejects(it.prepare({ branch: "fix", from: "v1" }), {
    code: "repository_edits_conflict",
    message: /: a\.txt$/,
  });
});

test("full_copy takes all of the history and submodules with theirs; without it they are refused", async (t) => {
  const it = await bench(t);
  const { repo, folder } = it;
  const inner = makeRepository(join(folder, "inner"), { deep: "d\n" });
  for (let n = 0; n < 12; n++) commit(repo, `number ${n}`);
  git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner, "lib/inner");
  commit(repo, "a submodule");
  write(repo, { "lib/inner/deep": "edited\n" });
  await assert.rejects(it.prepare(), { code: "repository_has_submodules", message: /lib\/inner/ });
  const guest = await it.prepare({ fullCopy: true });
  assertSame(repo, guest);
  assertSame(join(repo, "lib/inner"), join(guest, "lib/inner"));
  assert.equal(git(guest, "rev-list", "--count", "HEAD"), git(repo, "rev-list", "--count", "HEAD"));
  write(guest, { readme: "by the guest\n" });
  assert.deepEqual(
    (await it.export({ apply: true })).files.map(({ path }) => path),
    ["readme"],
  );
  // What is done in a submodule stays in the guest, and that is said.
  it.notices.length = 0;
  git(join(guest, "lib/inner"), "status");
  await it.export();
  assert.deepEqual(it.notices, [], "looking is no change");
  unlinkSync(join(guest, "lib/inner/deep"));
  assert.deepEqual(
    (await it.export()).files.map(({ path }) => path),
    ["readme"],
  );
  assert.match(it.notices.join(), /^lib\/inner is a repository of its own: .*not exported/);
});

test("partial clones go with the objects that are here, and nothing is fetched for them", async (t) => {
  const it = await bench(t);
  const source = makeRepository(join(it.folder, "source"), { kept: "k\n", edited: "one\n" });
  git(source, "config", "uploadpack.allowFilter", "true");
  for (let n = 0; n < 4; n++) {
    write(source, { edited: `${n}\n` });
    commit(source, `number ${n}`);
  }
  for (const [filter, commits] of [
    ["blob:none", 5],
    ["tree:0", 1],
  ] as const) {
    const clone = join(it.folder, filter.replace(":", "-"));
    git(it.folder, "clone", "-q", `--filter=${filter}`, `file://${source}`, clone);
    const missing =
      git(clone, "rev-list", "--objects", "--all", "--missing=print").match(/^\?/gm)?.length ?? 0;
    assert.ok(missing > 0, "objects are missing");
    write(clone, { kept: "edited here\n" });
    const guest = await it.prepare({ path: clone });
    assert.equal(git(guest, "status", "--porcelain"), " M kept\n");
    assert.equal(git(guest, "rev-list", "--count", "HEAD"), `${commits}\n`);
    git(guest, "fsck", "--strict", "--no-dangling");
    write(guest, { edited: "by the guest\n" });
    const made = commit(guest, "in the guest");
    await it.export({ apply: true, branch: null });
    await it.export({ branch: "agent" });
    assert.equal(git(clone, "rev-parse", "agent").trim(), made);
    assert.equal(readFileSync(join(clone, "edited"), "utf8"), "by the guest\n");
    // What would need a missing object is refused, not told wrongly.
    await assert.rejects(it.export({ baseCommit: "HEAD~2" }), { code: "git_failed" });
    const still = git(clone, "rev-list", "--objects", "--all", "--missing=print").match(/^\?/gm)?.length;
    assert.equal(still, missing, "nothing was fetched");
  }
});

test("what cannot be copied is refused with its reason, and the guest has nothing of it", async (t) => {
  const it = await bench(t);
  const { repo, folder } = it;
  const refused = async (path: string, code: string, reason: RegExp) => {
    await assert.rejects(it.prepare({ path }), (error: Error & { code: string }) => {
      assert.equal(error.code, code, error.message);
      assert.match(error.message, reason);
      return true;
    });
  };
  git(folder, "clone", "-q", "--bare", repo, join(folder, "bare"));
  await refused(join(folder, "bare"), "repository_unusable", /bare repository/);
  await refused(join(folder, "none"), "repository_unusable", /does not exist/);
  await refused(join(repo, "readme"), "repository_unusable", /no folder/);
  await refused(join(repo, ".git"), "repository_unusable", /\.git folder/);
  await refused(folder, "repository_unusable", /no git repository/);
  const index = readFileSync(join(repo, ".git/index"));
  write(repo, { ".git/index": index.subarray(0, 60) });
  await refused(repo, "git_failed", /index.*damaged/);
  write(repo, { ".git/index": index });
  const head = git(repo, "rev-parse", "HEAD").trim();
  rmSync(join(repo, ".git/objects", head.slice(0, 2)), { recursive: true });
  await refused(repo, "git_failed", /./);
  assert.deepEqual(existsSync(join(folder, "guest")) ? readdirSync(join(folder, "guest")) : [], []);
});

test("pointers of git-lfs and filtered files go and come back as they lie in the work tree", async (t) => {
  const it = await bench(t);
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"a".repeat(64)}\nsize 12\n`;
  write(it.repo, { ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "x.bin": pointer });
  commit(it.repo, "a pointer");
  const guest = await it.prepare();
  assertSame(it.repo, guest);
  assert.equal((await it.export()).from, (await it.export()).to);
});
