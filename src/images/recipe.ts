/** Recipes: folders with recipe.json and an optional customise.sh, shipped in `images/`. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { hashParts } from "../host/hash.ts";

/** Beside `src/` in the repository and beside `dist/` in the published package. */
const RECIPES = join(import.meta.dirname, "../../images");
/** Bumped when the same recipe gives another image because the builder changed. */
const BUILDER = "1";

const RecipeFile = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/),
  description: z.string().max(200),
  suite: z.string().regex(/^[a-z]{2,32}$/),
  components: z.array(z.string().regex(/^[a-z-]{2,32}$/)).min(1),
  packages: z.array(z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/)).max(500),
  excludePaths: z.array(z.string().startsWith("/")).default([]),
  includePaths: z.array(z.string().startsWith("/")).default([]),
  init: z.string().startsWith("/").nullable(),
  env: z.record(z.string(), z.string()).default({}),
});

export interface Recipe extends Readonly<z.infer<typeof RecipeFile>> {
  /** Shell text that mmdebstrap runs with the new root as $1; null when there is none. */
  readonly customise: string | null;
  /** Digest of all that determines the image, but for the state of the Debian archive. */
  readonly digest: string;
}

/** A recipe by name, or null. Plain errors mean that a shipped recipe is broken. */
export async function readRecipe(name: string, folder: string = RECIPES): Promise<Recipe | null> {
  if (!/^[a-z0-9][a-z0-9.-]*$/.test(name)) return null;
  const text = await readOptional(join(folder, name, "recipe.json"));
  if (text === null) return null;
  const customise = await readOptional(join(folder, name, "customise.sh"));
  const recipe = RecipeFile.parse(JSON.parse(text));
  if (recipe.name !== name) throw new Error(`recipe ${name} calls itself ${recipe.name}`);
  const digest = hashParts([
    ["builder", BUILDER],
    ["recipe", JSON.stringify(recipe)],
    ["customise", customise ?? ""],
  ]);
  return { ...recipe, customise, digest };
}

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
