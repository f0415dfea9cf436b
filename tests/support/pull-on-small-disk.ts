/**
 * Pulls an image onto a disk of few megabytes, which is then made larger. Run in a mount namespace of its own:
 * `pull-on-small-disk.ts <folder> <reference>`. Prints what came of each try, as JSON.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { asBangerError } from "../../src/core/errors.ts";
import { silent } from "../../src/core/stage.ts";
import { run } from "../../src/host/run.ts";
import { ImageStore } from "../../src/images/store.ts";

const [folder = "", ref = ""] = process.argv.slice(2);
const mount = (options: string) => run("mount", ["-t", "tmpfs", "-o", options, "banger-test", folder]);
await mount("size=4m,mode=700");
const at = (name: string) => join(folder, name);
const paths = { state: at("state"), cache: at("cache"), config: at("config"), run: at("run") };
const store = new ImageStore({ paths, registry: { credentials: async () => null } });
const pull = async () => {
  const outcome = await store.ensure(ref, { report: silent, signal: new AbortController().signal }).then(
    () => "pulled",
    (error: unknown) => asBangerError(error).toBody(),
  );
  const folders = [at("state/images"), at("cache/layers")];
  const left = await Promise.all(folders.map((path) => readdir(path).catch(() => [])));
  return { outcome, left: left.flat().filter((name) => name !== "names.json") };
};
const full = await pull();
await mount("remount,size=64m,mode=700");
process.stdout.write(JSON.stringify({ full, roomy: await pull() }));
