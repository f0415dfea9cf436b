/** The command lines of an image build, and what mmdebstrap's messages mean for people. Pure. */
import type { Recipe } from "./recipe.ts";
import type { Mode } from "./squashfs.ts";

/** Arguments of mmdebstrap for a recipe; the tar comes on standard output. */
export function mmdebstrapArguments(recipe: Recipe, mode: Mode, sources: readonly string[]): string[] {
  return [
    `--mode=${mode}`,
    "--variant=minbase",
    "--format=tar",
    "--architectures=amd64",
    `--include=${recipe.packages.join(",")}`,
    '--aptopt=Acquire::Languages "none"',
    ...recipe.excludePaths.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...recipe.includePaths.map((path) => `--dpkgopt=path-include=${path}`),
    ...(recipe.customise === null ? [] : [`--customize-hook=${recipe.customise}`]),
    recipe.suite,
    "-",
    ...sources,
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
