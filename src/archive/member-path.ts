/** Names of members as paths beneath a folder. */
import { invalidArchive, shown } from "./member.ts";

/** Longest path that Linux takes; names in archives could be longer and make endless depths. */
const MAX_PATH = 4095;
const MAX_COMPONENT = 255;

/** A path without leading, doubled or trailing slashes, `.` and `..`: bytes as latin1, one component each. */
export type Components = readonly string[];

/** Takes a member's name apart. @throws archive_invalid for an absolute name, `..`, or one that is too long */
export function components(name: Buffer, what = ""): Components {
  const text = name.toString("latin1");
  const refuse = (problem: string) => invalidArchive(`${what}'${shown(name)}' ${problem}`);
  if (text === "") throw refuse("is an empty name");
  if (text.startsWith("/")) throw refuse("is an absolute name");
  if (text.length > MAX_PATH) throw refuse("is too long");
  const parts = text.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refuse("contains '..'");
  if (parts.some((part) => part.length > MAX_COMPONENT)) throw refuse("is too long");
  return parts;
}
