/**
 * Commits made in the guest, brought into banger's own repository as from a hostile server: every object's name is checked
 * against its content, packs are indexed anew, and what is taken over passes git's strict checks.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, readFile as readHostFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createInflate } from "node:zlib";
import { BangerError } from "../core/errors.ts";
import type { ObjectFormat } from "../git/index-file.ts";
import { Shadow } from "../git/shadow.ts";
import { FILE } from "../git/work-tree.ts";
import { type GuestSession, listTree, readFile } from "../guest/index.ts";
import { Budget, eachOf, fetchFiles } from "./fetch.ts";
import type { GuestFile } from "./guest-files.ts";

/** Where the guest's commit is kept in the shadow. */
export const GUEST_REF = "refs/banger/guest";
/** File of the shadow with the names of packs that the guest got from us. */
const SENT = "sent-packs";
const LOOSE = /^[0-9a-f]{2}\/[0-9a-f]{38,62}$/;
const PACK = /^pack\/pack-[0-9a-f]{40,64}\.pack$/;

/** Remembers a pack that needs never be brought back. */
export async function rememberPack(shadow: Shadow, name: string): Promise<void> {
  await writeFile(join(shadow.directory, SENT), `${name}.pack\n`, { flag: "a" });
}

/**
 * Makes `tip` and what it needs objects of the shadow, under GUEST_REF.
 * @throws guest_refused when the guest does not have it whole, or what it has is not sound
 */
export async function importCommits(
  shadow: Shadow,
  guest: { readonly session: GuestSession; readonly guestPath: string },
  tip: string,
  signal: AbortSignal,
): Promise<void> {
  const folder = await mkdtemp(`${shadow.directory}-incoming-`);
  try {
    const incoming = await Shadow.make(folder, shadow.repository);
    await writeFile(join(folder, "objects/info/alternates"), `${join(shadow.directory, "objects")}\n`);
    await fetchObjects(shadow, incoming, guest, signal);
    await incoming.git(["update-ref", GUEST_REF, tip], { signal });
    // From a repository to a repository, so that git's own checks stand between them.
    await shadow.git(["fetch", ...STRICT_FETCH, folder, `+${GUEST_REF}:${GUEST_REF}`], {
      signal,
      settings: STRICT,
    });
  } catch (error) {
    if (!(error instanceof BangerError) || error.code !== "git_failed") throw error;
    throw unsound(error.message, error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export const STRICT_FETCH = [
  "--quiet",
  "--no-tags",
  "--no-write-fetch-head",
  "--no-recurse-submodules",
  "--no-auto-maintenance",
];
export const STRICT = ["fetch.fsckObjects=true", "transfer.fsckObjects=true", "protocol.file.allow=always"];

async function fetchObjects(
  shadow: Shadow,
  incoming: Shadow,
  { session, guestPath }: { readonly session: GuestSession; readonly guestPath: string },
  signal: AbortSignal,
): Promise<void> {
  const sent = await readHostFile(join(shadow.directory, SENT), "latin1").catch(() => "");
  const top = `${guestPath}/.git/objects`;
  const loose: GuestFile[] = [];
  const packs: string[] = [];
  for await (const { name, type, size } of listTree(session, top, { signal })) {
    if (type !== "file") continue;
    if (LOOSE.test(name))
      loose.push({ path: name, mode: FILE, size, mtimeNs: 0n, ctimeNs: 0n, target: null });
    else if (PACK.test(name) && !sent.split("\n").includes(name.slice("pack/".length))) packs.push(name);
  }
  const budget = new Budget();
  const objects = join(incoming.directory, "objects");
  await fetchFiles(session, top, loose, objects, budget, signal);
  await eachOf(loose, 4, ({ path }) =>
    checkObject(join(objects, path), path.replace("/", ""), incoming.repository.format, budget),
  );
  for (const pack of packs) {
    const git = incoming.open(["index-pack", "--stdin", "--fix-thin", "--strict"], { signal });
    git.stdout.resume();
    const content = await readFile(session, `${top}/${pack}`, { signal });
    await pipeline(content, budget.counter(), git.stdin);
    await git.ended.catch((error: Error) => {
      throw unsound(`${pack}: ${error.message}`, error);
    });
  }
}

/** An object's name is the digest of its content; a content that unpacks to too much ends with the budget. */
async function checkObject(file: string, name: string, format: ObjectFormat, budget: Budget): Promise<void> {
  const digest = createHash(format);
  await pipeline(createReadStream(file), createInflate(), budget.counter(), digest).catch((error: Error) => {
    throw error instanceof BangerError ? error : unsound(`object ${name} is damaged`, error);
  });
  if (digest.digest("hex") !== name) throw unsound(`object ${name} is not what its name says`);
}

function unsound(problem: string, cause?: unknown): BangerError {
  return BangerError.of(
    "guest_refused",
    {
      problem: `its commits cannot be taken over: ${problem}`,
      hint: "git fsck in the guest tells whether its repository is whole",
    },
    { cause },
  );
}
