/** The command lines of an image build, and what mmdebstrap's messages mean for people. Pure. */
import { dirname } from "node:path";
import type { ExtraFile } from "./npm-files.ts";
import type { Recipe } from "./recipe.ts";
import type { Mode } from "./squashfs.ts";

/**
 * The day of Debian 12's release, noon. Files that are younger get this time, and programs of Debian's that write a date
 * into what they make write this one: so the same packages give the same image on any day
 * (https://reproducible-builds.org/specs/source-date-epoch/).
 */
export const SOURCE_DATE_EPOCH = 1_686_398_400;

/** Arguments of mmdebstrap for a recipe; the tar comes on standard output. */
export function mmdebstrapArguments(
  recipe: Recipe,
  mode: Mode,
  sources: readonly string[],
  files: readonly ExtraFile[],
): string[] {
  return [
    `--mode=${mode}`,
    "--variant=minbase",
    "--format=tar",
    "--architectures=amd64",
    `--include=${recipe.packages.join(",")}`,
    '--aptopt=Acquire::Languages "none"',
    ...recipe.excludePaths.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...recipe.includePaths.map((path) => `--dpkgopt=path-include=${path}`),
    ...files.flatMap(placeFile).map((hook) => `--customize-hook=${hook}`),
    ...recipe.customise.map((script) => `--customize-hook=${script}`),
    recipe.suite,
    "-",
    ...sources,
  ];
}

/** Hooks that put a file in its place. `upload` reads it as the user, whose folders the namespace's root cannot enter. */
function placeFile({ from, to, executable }: ExtraFile): string[] {
  const place = `"$1"${to}`;
  return [
    `mkdir -p "$1"${dirname(to)}`,
    `upload ${from.replace(/[^\w/.-]/gu, "\\$&")} ${to}`,
    `chown 0:0 ${place} && chmod ${executable ? "0755" : "0644"} ${place}`,
  ];
}

const STAGES: readonly (readonly [RegExp, string])[] = [
  [/^I: running apt-get update/, "reading package lists"],
  [/^I: downloading packages/, "downloading packages"],
  [/^I: extracting archives/, "unpacking the base system"],
  [/^I: installing essential packages/, "installing the base system"],
  [/^I: installing remaining packages/, "installing packages"],
  [/^I: running --customize-hook/, "configuring"],
  [/^I: cleaning/, "cleaning up"],
  [/^I: creating tarball/, "writing the image"],
];

/** The stage that a line of mmdebstrap's begins, or null. */
export function stageOf(line: string): string | null {
  return STAGES.find(([pattern]) => pattern.test(line))?.[1] ?? null;
}

/** Why mmdebstrap failed: its own or apt's first error line. */
export function failureReason(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim());
  const first =
    lines.find((line) => /^(Err:|dpkg: error)/.test(line)) ?? lines.find((line) => line.startsWith("E: "));
  return (first ?? lines.filter(Boolean).at(-1) ?? "it said nothing").replace(/^E: /, "");
}
