/** The names that images are kept under. */
import { BangerError } from "../core/errors.ts";
import { familiarName, parseReference } from "./oci/reference.ts";
import { listRecipes } from "./recipe.ts";

/** The name that an image of a registry is kept under; the same for all ways to write it. */
export function storedName(ref: string): string {
  try {
    return familiarName(parseReference(ref));
  } catch {
    return ref;
  }
}

/** Completes a name that a user gives. @throws invalid_argument when an image cannot be kept under it */
export type Naming = (name: string | null) => string;

/** How names that users give are completed. Those of recipes are taken. */
export async function naming(): Promise<Naming> {
  const recipes = (await listRecipes()).map((recipe) => recipe.name);
  const refused = (problem: string) =>
    BangerError.of("invalid_argument", {
      what: "name",
      problem,
      accepted: "give a name such as team/app:1 behind the file",
    });
  return (name) => {
    if (name === null) throw refused("the file names no image");
    if (recipes.includes(name)) throw refused(`'${name}' is the name of a recipe`);
    return familiarName(parseReference(name));
  };
}
