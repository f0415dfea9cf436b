/** Where a copy goes: the rules of `cp -a`, the same for files of this host and of a guest. */
import { posix } from "node:path";
import { BangerError } from "../core/errors.ts";

/** What stands at a path, symlinks followed; null for nothing. */
export type Look = (path: string) => Promise<"directory" | "other" | null>;

export interface CopySource {
  /** For messages. */
  readonly shown: string;
  readonly path: string;
  readonly directory: boolean;
}

/** An existing folder, and what the copy is called in it; "." for a folder's contents. */
export interface CopyTarget {
  readonly folder: string;
  readonly name: string;
}

/**
 * `cp -a` semantics. An existing folder gets the source inside it, a folder whose path ends with `/.` its contents; any
 * other target is what the copy will be called, and its folder must be there. A folder never takes a file's place, nor
 * a file a folder's.
 * @throws copy_refused before anything was written
 */
export async function copyTarget(
  source: CopySource,
  target: { readonly shown: string; readonly path: string },
  look: Look,
): Promise<CopyTarget> {
  const refuse = (problem: string, accepted: string) =>
    BangerError.of("copy_refused", { source: source.shown, target: target.shown, problem, accepted });
  const found = await look(target.path);
  if (found === "directory") {
    const name = ownName(source);
    if (name === ".") return { folder: target.path, name };
    const inside = await look(posix.join(target.path, name));
    if (inside !== null && (inside === "directory") !== source.directory)
      throw refuse(
        `${posix.join(target.path, name)} is ${inside === "directory" ? "a" : "no"} directory`,
        OTHER_NAME,
      );
    return { folder: target.path, name };
  }
  if (found === "other" && source.directory) throw refuse("the target is no directory", OTHER_NAME);
  if (target.path.endsWith("/") && !source.directory)
    throw refuse("there is no such directory", "leave the slash at the end out, or make the directory first");
  const path = posix.resolve("/", target.path);
  const folder = posix.dirname(path);
  if ((await look(folder)) !== "directory")
    throw refuse(`there is no directory ${folder}`, "make it first, or copy to another place");
  return { folder, name: posix.basename(path) };
}

const OTHER_NAME = "remove it first, or give another target";

/** What a source is called; "." when only what is in the folder is meant, as for `cp`: `dir/.`, `.`, `..` and the root. */
export function ownName({ path, directory }: CopySource): string {
  if (directory && /(^|\/)\.\.?$/.test(path)) return ".";
  return posix.basename(posix.resolve("/", path)) || ".";
}
