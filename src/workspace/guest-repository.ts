/** The `.git` folder that a guest gets, made wholly on the host: no git is needed in the guest, and nothing of the host's own configuration goes in. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Pack } from "../git/history.ts";
import { formatIndex, type IndexEntry, NO_STAT } from "../git/index-file.ts";
import type { Head, Repository } from "../git/repository.ts";
import { lookAt, statOf, type TrackedFile } from "../git/work-tree.ts";
import { quote } from "../host/git-identity.ts";
import type { Source } from "./archive.ts";

export interface GuestRepository {
  readonly repository: Repository;
  /** Where the guest's HEAD is to be; not always the host's. */
  readonly head: Head;
  readonly tracked: readonly TrackedFile[];
  readonly shallow: readonly string[];
  readonly pack: Pack | null;
}

/** Everything of a new `.git`, as members of an archive whose top is the work tree. */
export async function newRepository(made: GuestRepository): Promise<Source[]> {
  const { repository, head, shallow, pack, tracked } = made;
  const folders = ["", "objects", "objects/info", "objects/pack", "refs", "refs/heads", "refs/tags", "info"];
  return [
    ...folders.map(folder),
    text("config", configuration(repository)),
    text("description", `${repository.root}\n`),
    ...(await patterns(repository)),
    ...(pack ? packFiles(pack, repository.isPartial) : []),
    ...shallowFile(shallow),
    ...position(head),
    indexFile(tracked, repository),
  ];
}

/** Which commits have no parents there. */
export function shallowFile(shallow: readonly string[]): Source[] {
  return shallow.length > 0 ? [text("shallow", shallow.map((id) => `${id}\n`).join(""))] : [];
}

/** A small file of the guest's `.git`. */
export const note = (name: string, content: string): Source => text(name, content);

/** A file of the guest's repository that comes after all others: its time is when the guest had them. */
export const MARK = { name: "banger", content: "prepared by banger\n" } as const;

/** What says where the guest's repository stands. */
export function position({ ref, commit }: Head): Source[] {
  return [
    ...(ref && commit ? [text(ref, `${commit}\n`)] : []),
    text("HEAD", ref ? `ref: ${ref}\n` : `${commit}\n`),
  ];
}

/**
 * The index, so that `git status` tells in the guest what it tells on the host. Files that are unchanged on the host are marked
 * as unchanged by size and time alone (core.checkStat): the guest's git needs to read none of them.
 */
export function indexFile(tracked: readonly TrackedFile[], repository: Repository): Source {
  return binary("index", indexBytes(tracked, repository));
}

export function indexBytes(tracked: readonly TrackedFile[], { format }: Repository): Buffer {
  const entries = tracked.map(
    ({ entry, file, isClean }): IndexEntry => ({
      ...entry,
      stat: isClean && file ? statOf(file) : NO_STAT,
    }),
  );
  return formatIndex(entries, format);
}

/** A pack and its index, read from the host while they are sent. */
export function packFiles({ folder: root, name }: Pack, isPartial: boolean): Source[] {
  const kinds = [".pack", ".idx"].map((kind) =>
    hostFile(root, `${name}${kind}`, `.git/objects/pack/${name}${kind}`),
  );
  return isPartial ? [...kinds, text(`objects/pack/${name}.promisor`, "")] : kinds;
}

function hostFile(root: string, name: string, path: string): Source {
  const file = lookAt(root, name);
  if (!file) throw new Error(`${join(root, name)} is gone`);
  return { root, file, member: { path, type: "file", mode: 0o444, size: file.size, mtimeNs: file.mtimeNs } };
}

/** What is ignored without being said in the tree, and which part of it is wanted. */
async function patterns({ commonDirectory, gitDirectory }: Repository): Promise<Source[]> {
  const files = [
    [commonDirectory, "info/exclude"],
    [commonDirectory, "info/attributes"],
    [gitDirectory, "info/sparse-checkout"],
  ] as const;
  const contents = await Promise.all(
    files.map(([base, name]) => readFile(join(base, name)).catch(() => null)),
  );
  return files.flatMap(([, name], at) => (contents[at] ? [binary(name, contents[at])] : []));
}

function configuration({ settings, format, origin, identity, isPartial }: Repository): string {
  const extensions = [
    ...(format === "sha1" ? [] : [`\tobjectFormat = ${format}\n`]),
    ...(isPartial ? ["\tpartialClone = origin\n"] : []),
  ];
  const kept = ["autocrlf", "eol", "sparseCheckout", "sparseCheckoutCone"].flatMap((name) => {
    const value = settings[`core.${name.toLowerCase()}`];
    return value === undefined ? [] : [`\t${name} = ${quote(value)}\n`];
  });
  const user = Object.entries(identity).flatMap(([name, value]) =>
    value ? [`\t${name} = ${quote(value)}\n`] : [],
  );
  return [
    `[core]\n\trepositoryformatversion = ${extensions.length > 0 ? 1 : 0}\n\tfilemode = true\n\tbare = false\n`,
    "\tlogallrefupdates = true\n\tcheckStat = minimal\n\ttrustctime = false\n",
    ...kept,
    ...(extensions.length > 0 ? ["[extensions]\n", ...extensions] : []),
    ...(origin
      ? [`[remote "origin"]\n\turl = ${quote(origin)}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n`]
      : []),
    ...(isPartial ? ['[remote "origin"]\n\tpromisor = true\n'] : []),
    ...(user.length > 0 ? ["[user]\n", ...user] : []),
  ].join("");
}

const folder = (name: string): Source => ({
  member: {
    path: name === "" ? ".git" : `.git/${name}`,
    type: "directory",
    mode: 0o755,
    size: 0,
    mtimeNs: now(),
  },
});

const text = (name: string, content: string): Source => binary(name, Buffer.from(content, "utf8"));

function binary(name: string, content: Buffer): Source {
  return {
    member: { path: `.git/${name}`, type: "file", mode: 0o644, size: content.length, mtimeNs: now() },
    content,
  };
}

const now = () => BigInt(Date.now()) * 1_000_000n;
