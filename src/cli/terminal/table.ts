/** Aligned tables and field lists. */

// Not `import`: an ES import evaluates getters that load what nothing here needs, some milliseconds of every command.
const { stripVTControlCharacters } = process.getBuiltinModule("node:util");

const PLAIN = /^[ -~]*$/;
const width = (text: string) => (PLAIN.test(text) ? text.length : [...stripVTControlCharacters(text)].length); // nearly every cell is plain
const pad = (text: string, to: number) => text + " ".repeat(Math.max(0, to - width(text)));

/** Columns as wide as their widest cell; no spaces at the ends of lines. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, ...rows];
  const widths = headings.map((_, i) => Math.max(...lines.map((line) => width(line[i] ?? ""))));
  return lines
    .map((line) => line.map((cell, i) => pad(cell, widths[i] ?? 0)).join("  "))
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

/** `name  value` lines; what is undefined or null is left out. */
export function fields(pairs: readonly (readonly [string, string | number | null | undefined])[]): string {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== null);
  const wide = Math.max(...shown.map(([name]) => width(name)));
  return shown.map(([name, value]) => `${pad(name, wide)}  ${value}\n`).join("");
}
