/** What is done in a guest comes back: as a patch, onto the host's files, as a branch; the guest is only read, and trusted in nothing. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { commit, git, makeRepository, write } from "../support/repository.ts";
import { type Bench, bench } from "../support/workspace.ts";

/** The tree of everything in a folder, as git would commit it. */
function treeOf(folder: string): string {
  const index = join(folder, ".git/test-index");
  const env = { ...process.env, GIT_INDEX_FILE: index, GIT_CONFIG_NOSYSTEM: "1", HOME: "/nonexistent" };
  execFileSync("git", ["add", "-A"], { cwd: folder, env });
  const tree = execFileSync("git", ["write-tree"], { cwd: folder, env }).toString().trim();
  rmSync(index);
  return tree;
}

/** Everything of a tree but access times, and times of the host's objects: git touches those that it would have written. */
function fingerprint(folder: string): string {
  const script = `find . -path './.git/objects/*' -o -printf "%p %y %m %s %T@ %l\\n" | sort
    find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum`;
  return execFileSync("sh", ["-c", script], { cwd: folder, maxBuffer: 1 << 26 }).toString();
}

/** Applies a patch as a user does. */
function applyPatch(folder: string, patch: Buffer): void {
  execFileSync("git", ["apply", "--binary", "-"], {
    cwd: folder,
    input: patch,
    stdio: ["pipe", "ignore", "inherit"],
  });
}

async function agentsDay(it: Bench): Promise<string> {
  const { repo, prepare } = it;
  write(repo, {
    "src/main.c": "int main;\n",
    "data.bin": Buffer.from([0, 1, 2, 255]),
    tool: "#!/bin/sh\n",
    gone: "x\n",
  });
  write(repo, { ".gitignore": "build/\n*.o\n" });
  commit(repo, "second");
  write(repo, { readme: "local edit\n", "src/main.c": "int main; // staged\n" });
  git(repo, "add", "src/main.c");
  const guest = await prepare();
  write(guest, { "src/main.c": "int main; // better\n", "src/new.c": "new\n" });
  git(guest, "add", "-A");
  git(guest, "commit", "-q", "-m", "one, by the agent");
  write(guest, { "docs/with space": "text\n", "data.bin": Buffer.from([9, 8, 0, 7]) });
  unlinkSync(join(guest, "gone"));
  chmodSync(join(guest, "tool"), 0o755);
  commit(guest, "two, by the agent");
  write(guest, { dirty: "not committed\n", staged: "s\n", "build/out": "ignored", "x.o": "ignored" });
  git(guest, "add", "staged");
  symlinkSync("/etc/passwd", join(guest, "link"));
  return guest;
}

test("an agent's day: the patch gives the host exactly the guest's tree, and the guest is as before", async (t) => {
  const it = await bench(t);
  const guest = await agentsDay(it);
  const before = fingerprint(guest);
  const host = fingerprint(it.repo);
  const exported = await it.export();
  const patch = await it.patch(exported);
  assert.equal(fingerprint(guest), before, "the guest's repository is as it was");
  assert.equal(fingerprint(it.repo), host, "the host's, too");
  assert.deepEqual(
    exported.commits.map(({ subject }) => subject),
    ["two, by the agent", "one, by the agent"],
  );
  applyPatch(it.repo, patch);
  assert.equal(treeOf(it.repo), treeOf(guest));
  assert.equal(exported.to, treeOf(guest));
  assert.equal(readlinkSync(join(it.repo, "link")), "/etc/passwd");
});

test("--apply does the same in one step, and --branch brings the commits with authors and messages", async (t) => {
  const it = await bench(t);
  const guest = await agentsDay(it);
  await it.export({ apply: true });
  assert.equal(treeOf(it.repo), treeOf(guest));
  assert.equal(
    git(it.repo, "status", "--porcelain", "src/main.c"),
    "MM src/main.c\n",
    "the index is the user's",
  );
  const head = git(it.repo, "rev-parse", "HEAD");
  await it.export({ branch: "agent/work" });
  const log = (folder: string, tip: string) =>
    git(folder, "log", "--format=%H %an %ae %s", `${head.trim()}..${tip}`);
  assert.equal(log(it.repo, "agent/work"), log(guest, "HEAD"));
  assert.equal(git(it.repo, "rev-parse", "HEAD"), head, "the host's own branch does not move");
  git(it.repo, "fsck", "--strict");
  await assert.rejects(it.export({ branch: "agent/work" }), /has a branch 'agent\/work' already/);
  for (const branch of ["agent", "agent/work/more"]) {
    await assert.rejects(it.export({ branch }), {
      code: "invalid_argument",
      message: new RegExp(`has a branch 'agent/work', beside which there can be no '${branch}'`),
    });
  }
  await assert.rejects(it.export({ branch: "a..b" }), /cannot be a branch's name/);
});

test("nothing done is an empty patch; a touched file is no change; an ignored one neither", async (t) => {
  const it = await bench(t);
  write(it.repo, { ".gitignore": "*.log\n", readme: "local\n" });
  git(it.repo, "add", ".gitignore");
  const guest = await it.prepare();
  write(guest, { readme: "local\n", "x.log": "noise" });
  git(guest, "status");
  const exported = await it.export();
  assert.equal(exported.from, exported.to);
  assert.deepEqual([exported.files, exported.commits], [[], []]);
  assert.equal((await it.patch(exported)).length, 0);
  await it.export({ apply: true });
});

test("an ignored file that the guest's git tracks comes back; new rules of the guest hold", async (t) => {
  const it = await bench(t);
  write(it.repo, { ".gitignore": "*.log\n" });
  commit(it.repo, "ignore");
  const guest = await it.prepare();
  write(guest, { "kept.log": "forced", ".gitignore": "*.log\n*.tmp\n", "deep/.gitignore": "secret\n" });
  write(guest, { "deep/secret": "s", "deep/other": "o", "junk.tmp": "t" });
  git(guest, "add", "-f", "kept.log");
  const paths = (await it.export()).files.map(({ path }) => path);
  assert.deepEqual(paths, [".gitignore", "deep/.gitignore", "deep/other", "kept.log"]);
});

test("a patch since a commit, of the host or of the guest", async (t) => {
  const it = await bench(t);
  const first = git(it.repo, "rev-parse", "HEAD").trim();
  write(it.repo, { a: "a\n" });
  commit(it.repo, "second");
  const guest = await it.prepare();
  write(guest, { b: "b\n" });
  const made = commit(guest, "in the guest");
  write(guest, { c: "c\n" });
  const paths = async (baseCommit: string) => (await it.export({ baseCommit })).files.map(({ path }) => path);
  assert.deepEqual(await paths(first), ["a", "b", "c"]);
  assert.deepEqual(await paths(made), ["c"]);
  await assert.rejects(paths("no-such"), /a commit neither of/);
});

test("line ends come back as the host has them", async (t) => {
  const it = await bench(t);
  write(it.repo, { ".gitattributes": "*.txt text eol=crlf\n*.big filter=lfs\n" });
  write(it.repo, { "a.txt": "one\r\ntwo\r\n", "x.big": "content\n" });
  commit(it.repo, "attributes");
  const guest = await it.prepare();
  write(guest, { "a.txt": "one\r\nTWO\r\nthree\r\n", "x.big": "other\n" });
  await it.export({ apply: true });
  assert.equal(readFileSync(join(it.repo, "a.txt"), "latin1"), "one\r\nTWO\r\nthree\r\n");
  assert.equal(readFileSync(join(it.repo, "x.big"), "latin1"), "other\n");
});

test("what does not fit is named, and nothing of the patch is applied", async (t) => {
  const it = await bench(t);
  write(it.repo, { one: "1\n", two: "2\n" });
  commit(it.repo, "more");
  const guest = await it.prepare();
  write(guest, { one: "guest\n", two: "guest\n", three: "guest\n" });
  write(it.repo, { two: "host\n", three: "host\n" });
  const before = fingerprint(it.repo);
  await assert.rejects(
    it.export({ apply: true }),
    (error: { code: string; details: { conflicts: string[] } }) => {
      assert.equal(error.code, "workspace_conflict");
      assert.deepEqual(error.details.conflicts.sort(), ["three", "two"]);
      return true;
    },
  );
  assert.equal(fingerprint(it.repo), before);
});

test("a hostile guest writes nothing where it should not: .git, parents, links on the way, forged objects", async (t) => {
  const it = await bench(t);
  const outside = join(it.folder, "outside");
  mkdirSync(outside);
  write(it.repo, { "dir/file": "x\n" });
  commit(it.repo, "dir");
  const guest = await it.prepare();
  // A link where the host has a folder, and a file below a link of the same name on the host.
  write(guest, { "sub/.git/hooks/post-checkout": "evil", ".GIT/hooks/x": "evil", "dir/.Git/config": "evil" });
  symlinkSync(outside, join(guest, "way"));
  write(it.repo, { "way/host": "mine\n" });
  const exported = await it.export();
  assert.deepEqual(
    exported.files.map(({ path }) => path),
    ["way"],
  );
  await assert.rejects(it.export({ apply: true }), { code: "workspace_conflict" });
  assert.ok(lstatSync(join(it.repo, "way")).isDirectory());
  // HEAD that leads out, and a commit whose object is another's.
  writeFileSync(join(guest, ".git/HEAD"), "ref: refs/heads/../../../../etc/passwd\n");
  assert.deepEqual((await it.export()).head, { ref: null, commit: null });
  const forged = "a".repeat(40);
  write(guest, {
    ".git/HEAD": `${forged}\n`,
    [`.git/objects/aa/${"a".repeat(38)}`]: deflateSync("commit 3\0abc"),
  });
  await assert.rejects(it.export(), /is not what its name says/);
  // A commit whose tree holds .git: its name is right, its content is refused.
  const evil = evilCommit(guest);
  write(guest, { ".git/HEAD": `${evil}\n` });
  rmSync(join(guest, ".git/objects/aa"), { recursive: true });
  await assert.rejects(it.export({ branch: "evil" }), /cannot be taken over/);
  assert.throws(() => git(it.repo, "rev-parse", "--verify", "-q", "evil"));
  assert.equal(existsSync(join(it.repo, ".git/hooks/x")), false);
});

/** A commit with `.git/config` in its tree, written by hand: git would not. */
function evilCommit(guest: string): string {
  const blob = git(guest, "hash-object", "-w", "readme").trim();
  const object = (type: string, content: Buffer) => {
    const whole = Buffer.concat([Buffer.from(`${type} ${content.length}\0`), content]);
    const id = createHash("sha1").update(whole).digest("hex");
    write(guest, { [`.git/objects/${id.slice(0, 2)}/${id.slice(2)}`]: deflateSync(whole) });
    return id;
  };
  const entry = (mode: string, name: string, id: string) =>
    Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, "hex")]);
  const inner = object("tree", entry("100644", "config", blob));
  const tree = object("tree", entry("40000", ".git", inner));
  return object(
    "commit",
    Buffer.from(`tree ${tree}\nauthor a <a@b> 0 +0000\ncommitter a <a@b> 0 +0000\n\nx\n`),
  );
}

test("commits that the guest packed, and a guest without a repository", async (t) => {
  const it = await bench(t);
  const guest = await it.prepare();
  write(guest, { packed: "p\n" });
  commit(guest, "packed away");
  git(guest, "gc", "-q", "--prune=now");
  await it.export({ branch: "from-pack" });
  assert.equal(git(it.repo, "show", "from-pack:packed"), "p\n");
  rmSync(join(guest, ".git"), { recursive: true });
  write(guest, { readme: "without git\n" });
  assert.deepEqual(
    (await it.export()).files.map(({ path }) => path),
    ["packed", "readme"],
  );
});

test("the host's repository gone is told", async (t) => {
  const it = await bench(t);
  const other = makeRepository(join(it.folder, "other"));
  await it.prepare({ path: other });
  rmSync(other, { recursive: true });
  await assert.rejects(it.export(), { code: "repository_unusable" });
});
