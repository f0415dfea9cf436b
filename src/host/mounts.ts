/** What is mounted where, as this process sees it. */
import { readFile, realpath } from "node:fs/promises";

/** Places below a folder, itself included, where something is mounted. */
export async function mountsBelow(folder: string): Promise<string[]> {
  const real = await realpath(folder).catch(() => folder);
  const places = mountPlaces(await readFile("/proc/self/mountinfo", "latin1"));
  return places.filter((place) => isBelow(place, real));
}

/** Places without those that lie below another one of them. One over the other at a place, each counts. */
export const topmost = (places: readonly string[]): string[] =>
  places.filter((place) => !places.some((other) => other !== place && isBelow(place, other)));

/** The fifth field of each line, where bytes that would end a field are octal (proc_pid_mountinfo(5)). */
export function mountPlaces(mountinfo: string): string[] {
  const octal = (_: string, digits: string) => String.fromCharCode(Number.parseInt(digits, 8));
  const fields = mountinfo.split("\n").flatMap((line) => line.split(" ")[4] ?? []);
  return fields.map((field) => Buffer.from(field.replace(/\\([0-7]{3})/g, octal), "latin1").toString());
}

const isBelow = (place: string, folder: string) => place === folder || place.startsWith(`${folder}/`);
