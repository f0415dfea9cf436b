/** Names of a VM's copies. */
import { checkName } from "../core/ids.ts";

/** A name is a DNS label of at most so many characters. */
const MAX = 63;

/**
 * `name` itself for one copy; else numbered: `name-1`, `name-2`, where a name was given exactly these, else those after the VM's own
 * name that are free. Pure.
 * @throws invalid_argument for a name that no VM can have
 */
export function forkNames(
  vm: string,
  name: string | undefined,
  count: number,
  taken: (name: string) => boolean,
): string[] {
  if (name !== undefined && count === 1) return [checkName(name)];
  const numbered = (base: string, number: number) =>
    `${base.slice(0, MAX - 1 - String(number).length)}-${number}`;
  if (name !== undefined) {
    return Array.from({ length: count }, (_, at) => checkName(`${name}-${at + 1}`));
  }
  const names: string[] = [];
  for (let number = 1; names.length < count; number++) {
    const candidate = numbered(vm, number);
    if (!taken(candidate)) names.push(candidate);
  }
  return names;
}
