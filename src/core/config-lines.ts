/** Where keys stand in config.toml: parsed TOML does not tell. Pure. */

/** The line on which a key, or the table or inline table that holds it, stands; null when it cannot be told. */
export function lineOf(text: string, path: readonly string[]): number | null {
  const counts = new Map<string, number>();
  let table: readonly string[] = [];
  let holder: number | null = null;
  for (const [index, line] of text.split("\n").entries()) {
    const header = /^\s*(\[\[?)([^\]]+)\]/.exec(line);
    const key = header ? undefined : /^\s*([\w."' -]+?)\s*=/.exec(line)?.[1];
    if (header) table = enter(parts(header[2] ?? ""), header[1] === "[[", counts);
    const here = key === undefined ? table : [...table, ...parts(key)];
    if ((!header && key === undefined) || !here.every((part, at) => part === path[at])) continue;
    if (here.length === path.length) return index + 1;
    holder = index + 1;
  }
  return holder;
}

/** A key as people write it: `vm_defaults.memory`, `file_sync[0].mode`. */
export function keyName(path: readonly (string | number)[]): string {
  return path
    .map((part, at) => (/^\d+$/.test(String(part)) ? `[${part}]` : `${at > 0 ? "." : ""}${part}`))
    .join("");
}

/** The path of a table; each `[[table]]` of a name is the next of its array. */
function enter(name: readonly string[], isArray: boolean, counts: Map<string, number>): readonly string[] {
  if (!isArray) return name;
  const key = name.join(".");
  const index = counts.get(key) ?? 0;
  counts.set(key, index + 1);
  return [...name, String(index)];
}

const parts = (dotted: string) => dotted.split(".").map((part) => part.trim().replace(/^["']|["']$/g, ""));
