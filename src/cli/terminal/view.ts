/** How things look: colours only where they are wanted, and times and sizes for people. */
import { formatDuration, formatSize } from "../../core/units.ts";

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

/** What renderers need to know about where they print. */
export interface View {
  readonly style: Style;
  readonly now: number;
}

const wrap = (on: boolean, open: number, close: number) => (text: string) =>
  on ? `\x1b[${open}m${text}\x1b[${close}m` : text;

export function makeStyle(colour: boolean): Style {
  return {
    bold: wrap(colour, 1, 22),
    dim: wrap(colour, 2, 22),
    red: wrap(colour, 31, 39),
    green: wrap(colour, 32, 39),
    yellow: wrap(colour, 33, 39),
  };
}

/** Colour only on a terminal, and never under NO_COLOR (no-color.org: any value but the empty one). */
export function wantsColour(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
}

/** `used/size`, or what is known of it. */
export function usage(used: number, total: number): string {
  return `${formatSize(used)}/${formatSize(total)}`;
}

/** `in 12m` for an ISO timestamp to come; `-` when there is none. */
export function until(timestamp: string | null, now: number): string {
  return timestamp === null ? "-" : `in ${formatDuration(Math.max(0, Date.parse(timestamp) - now))}`;
}

/** Time since an ISO timestamp; `-` when there is none. */
export function since(timestamp: string | null, now: number): string {
  return timestamp === null ? "-" : formatDuration(Math.max(0, now - Date.parse(timestamp)));
}
