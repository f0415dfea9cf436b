/** Recipes: folders with recipe.json and an optional customise.sh, shipped in `images/`. One may extend another. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { hashParts } from "../host/hash.ts";

/** Beside `src/` in the repository and beside `dist/` in the published package. */
const RECIPES = join(import.meta.dirname, "../../images");
/** Bumped when the same recipe gives another image because the builder changed. */
const BUILDER = "2";

/** A package of npm's that files are taken from: for programs that Debian does not have. */
const NpmSource = z.strictObject({
  package: z.string().regex(/^(@[a-z0-9-]+\/)?[a-z0-9][a-z0-9._-]*$/),
  version: z.string().regex(/^\d+\.\d+\.\d+[\w.-]*$/),
  /** What npm calls integrity: the digest of the package's archive. Whatever a registry sends, it must be this. */
  integrity: z.string().regex(/^sha512-[A-Za-z0-9+/]{86}==$/),
  /** Name in the archive → path in the image. Programs stay programs; the owner is root. */
  files: z.record(z.string().regex(/^package(\/[\w.-]+)+$/), z.string().regex(/^(\/[\w.-]+)+$/)),
});
export type NpmSource = Readonly<z.infer<typeof NpmSource>>;

const RecipeFile = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/),
  description: z.string().max(200),
  /** A recipe whose packages, paths, environment and customise.sh come before this one's. */
  extends: z.string().optional(),
  suite: z.string().regex(/^[a-z]{2,32}$/),
  components: z.array(z.string().regex(/^[a-z-]{2,32}$/)).min(1),
  packages: z.array(z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/)).max(500),
  excludePaths: z.array(z.string().startsWith("/")).default([]),
  includePaths: z.array(z.string().startsWith("/")).default([]),
  npm: z.array(NpmSource).default([]),
  init: z.string().startsWith("/").nullable(),
  env: z.record(z.string(), z.string()).default({}),
});

export interface Recipe extends Readonly<Omit<z.infer<typeof RecipeFile>, "extends">> {
  /** Shell texts that mmdebstrap runs one after the other, with the new root as $1. */
  readonly customise: readonly string[];
  /** Digest of all that determines the image, but for the state of the Debian archive. */
  readonly digest: string;
}

/** A recipe by name, or null. Plain errors mean that a shipped recipe is broken. */
export async function readRecipe(name: string, folder: string = RECIPES): Promise<Recipe | null> {
  if (!/^[a-z0-9][a-z0-9.-]*$/.test(name)) return null;
  const text = await readOptional(join(folder, name, "recipe.json"));
  if (text === null) return null;
  const own = await readOptional(join(folder, name, "customise.sh"));
  const { extends: baseName, ...recipe } = RecipeFile.parse(JSON.parse(text));
  if (recipe.name !== name) throw new Error(`recipe ${name} calls itself ${recipe.name}`);
  const base = baseName === undefined ? null : await readRecipe(baseName, folder);
  if (baseName !== undefined && !base) throw new Error(`recipe ${name} extends ${baseName}, which is none`);
  const customise = [...(base?.customise ?? []), ...(own === null ? [] : [own])];
  const whole = { ...recipe, ...(base && extended(base, recipe)) };
  const digest = hashParts([
    ["builder", BUILDER],
    ["recipe", JSON.stringify(whole)],
    ...customise.map((script) => ["customise", script] as const),
  ]);
  return { ...whole, customise, digest };
}

type Lists = Pick<Recipe, "packages" | "excludePaths" | "includePaths" | "npm" | "env">;

/** What a recipe adds to its base. */
const extended = (base: Lists, own: Lists): Lists => ({
  packages: [...base.packages, ...own.packages],
  excludePaths: [...base.excludePaths, ...own.excludePaths],
  includePaths: [...base.includePaths, ...own.includePaths],
  npm: [...base.npm, ...own.npm],
  env: { ...base.env, ...own.env },
});

/** All recipes, by name. */
export async function listRecipes(folder: string = RECIPES): Promise<Recipe[]> {
  const names = (await readdir(folder)).sort();
  const recipes = await Promise.all(names.map((name) => readRecipe(name, folder)));
  return recipes.filter((recipe) => recipe !== null);
}

function readOptional(path: string): Promise<string | null> {
  return readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw error;
  });
}
