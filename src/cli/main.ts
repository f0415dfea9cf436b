#!/usr/bin/env -S node --max-semi-space-size=1 --no-concurrent-recompilation --no-concurrent-sparkplug --
/** The program's entry. What needs no other module is answered before any is loaded. */
import { VERSION } from "../core/version.ts";

const [first, ...rest] = process.argv.slice(2);
if ((first === "--version" || first === "-V") && rest.length === 0) {
  process.stdout.write(`banger ${VERSION}\n`);
} else {
  const { main } = await import("./program.ts");
  await main(process.argv.slice(2));
}
