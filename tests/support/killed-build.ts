/**
 * Builds an image with a program in mmdebstrap's place that mounts this host's folder `precious` in its tree and is killed. Run as root of
 * a namespace: `killed-build.ts <folder>`, where `precious/file` is. Prints what is left, as JSON.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { silent } from "../../src/core/stage.ts";
import { mountsBelow } from "../../src/host/mounts.ts";
import { run, WORK_MARK } from "../../src/host/run.ts";
import { removeWorkFolders, withWorkFolder } from "../../src/host/work-folder.ts";
import { buildImage } from "../../src/images/build.ts";
import { readRecipe } from "../../src/images/recipe.ts";

const [folder = ""] = process.argv.slice(2);
const at = (name: string) => join(folder, name);
const precious = at("precious");
for (const name of ["bin", "tmp", "image"]) await mkdir(at(name));
const script = `#!/bin/sh\nreadlink /proc/self/ns/mnt >${at("namespace")}\nmkdir "$TMPDIR/tree" && mount --bind ${precious} "$TMPDIR/tree" && kill -9 $$\n`;
await writeFile(at("bin/mmdebstrap"), script);
await chmod(at("bin/mmdebstrap"), 0o755);
Object.assign(process.env, {
  PATH: `${at("bin")}:${process.env.PATH}`,
  TMPDIR: at("tmp"),
  [WORK_MARK]: folder,
});

const recipe = await readRecipe("debian-slim");
if (!recipe) throw new Error("no such recipe");
const work = { report: silent, signal: new AbortController().signal };
const failure = await buildImage({ ...recipe, npm: [] }, at("image"), at("cache"), work).catch(
  (error: Error & { code?: string }) => error.code ?? error.message,
);
const apart = readFileSync(at("namespace"), "utf8").trim() !== readlinkSync("/proc/self/ns/mnt");
const afterBuild = { mounts: await mountsBelow(at("tmp")), left: readdirSync(at("tmp")) };

// As a daemon that was killed, too, left it: the folder with all that is mounted in it.
await withWorkFolder(async (one) => {
  await run("cp", ["-a", one, one.replace(/-[^-]*$/, "-left")]);
});
const [left = ""] = readdirSync(at("tmp"));
for (const name of ["tree", "tree with a space"]) {
  await mkdir(join(at("tmp"), left, name));
  await run("mount", ["--bind", precious, join(at("tmp"), left, name)]);
}
await run("mount", ["-t", "tmpfs", "banger-test", join(at("tmp"), left, "tree")]);
await removeWorkFolders(folder);
const afterCleaning = { mounts: await mountsBelow(at("tmp")), left: readdirSync(at("tmp")) };
process.stdout.write(
  JSON.stringify({ failure, apart, afterBuild, afterCleaning, precious: existsSync(join(precious, "file")) }),
);
