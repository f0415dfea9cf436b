/** `npm run docs`: writes the documents that are made of sources. */
import { writeFileSync } from "node:fs";
import { DOCUMENTS } from "./documents.ts";

for (const [path, make] of Object.entries(DOCUMENTS)) {
  writeFileSync(new URL(`../../${path}`, import.meta.url), await make());
  console.log(path);
}
