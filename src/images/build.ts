/** Builds an image from a recipe: mmdebstrap → tar → sqfstar, in one pipe, without root. */
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { checkpoint } from "../core/checkpoints.ts";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { GIB } from "../core/units.ts";
import { requireSpace } from "../disk/free-space.ts";
import { aptEnvironment } from "../host/apt.ts";
import { hashFile } from "../host/hash.ts";
import { ownMounts } from "../host/namespaces.ts";
import { npmReason } from "../host/npm.ts";
import { ProcessError, runPipe } from "../host/run.ts";
import { requireTools } from "../host/tools.ts";
import { withWorkFolder } from "../host/work-folder.ts";
import { sourceLines } from "./apt-sources.ts";
import { hostMirrors } from "./host-mirrors.ts";
import { failureReason, mmdebstrapArguments, SOURCE_DATE_EPOCH, stageOf } from "./mmdebstrap.ts";
import { npmFiles, WrongPackage } from "./npm-files.ts";
import type { Recipe } from "./recipe.ts";
import { chooseMode, forgetRootTime, type Mode, ROOTFS, sqfstarCommand } from "./squashfs.ts";

/** Unpacked packages in the temporary folder and the finished image. */
const WORKING_ROOM = 2 * GIB;
const NPM = "check that 'npm view' reaches your registry, then try again; debian-slim needs nothing of npm's";
const WRONG_PACKAGE = "the registry of your npm settings serves something else; nothing of it was used";

/**
 * Fills `folder` with the image of a recipe.
 * @param cache banger's cache folder, where downloads are kept
 * @returns digest and size of the root filesystem
 * @throws image_build_failed | host_packages_missing | no_space
 */
export async function buildImage(
  recipe: Recipe,
  folder: string,
  cache: string,
  work: Work,
): Promise<{ digest: string; sizeBytes: number }> {
  await requireTools("image");
  await requireSpace(folder, WORKING_ROOM, `image ${recipe.name}`);
  const failed = (stage: string, reason: string, fix: string, cause?: unknown) =>
    BangerError.of("image_build_failed", { name: recipe.name, stage, reason, fix }, { cause });
  const mirrors = await hostMirrors();
  if (!mirrors) {
    throw failed(
      "choosing a mirror",
      "this host's apt sources name no Debian archive",
      "add a Debian source with component main to /etc/apt/sources.list.d, signed by debian-archive-keyring",
    );
  }
  const mode = await chooseMode();
  if (typeof mode !== "string") throw failed("becoming root in a namespace", mode.reason, mode.fix);
  const rootfs = join(folder, ROOTFS);
  const scratch = join(folder, ".tmp-files");
  let stage = "starting";
  const begin = (next: string) => {
    stage = next;
    work.report.stage("building image", next);
  };
  begin(stage);
  try {
    const files = await npmFiles(recipe.npm, cache, scratch, work);
    const sources = sourceLines(mirrors, recipe.suite, recipe.components);
    const args = mmdebstrapArguments(recipe, mode, sources, files);
    const apart = mode === "root" ? await ownMounts() : [];
    await withWorkFolder((temporary) =>
      runPipe(
        ["env", [`SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}`, ...apart, "mmdebstrap", ...args]],
        sqfstarCommand(mode, rootfs),
        {
          signal: work.signal,
          // mmdebstrap's namespace cannot enter a private folder, so it must not start in one.
          cwd: "/",
          env: { ...aptEnvironment(), TMPDIR: temporary },
          onStderrLine: (line) => {
            const next = stageOf(line);
            if (next !== null && next !== stage) begin(next);
            if (next !== null) checkpoint("build.running");
          },
          onBytes: (done) => work.report.progress({ done, unit: "bytes" }),
        },
      ),
    );
  } catch (error) {
    work.signal.throwIfAborted();
    if (error instanceof WrongPackage)
      throw failed("verifying a package", error.message, WRONG_PACKAGE, error);
    if (!(error instanceof ProcessError)) throw error;
    if (error.program === "npm") throw failed("downloading with npm", npmReason(error), NPM, error);
    throw failed(stage, failureReason(error.stderr || error.message), fixFor(error, mode), error);
  }
  await rm(scratch, { recursive: true, force: true });
  await forgetRootTime(rootfs);
  return { digest: await hashFile(rootfs, work.signal), sizeBytes: (await stat(rootfs)).size };
}

function fixFor(error: ProcessError, mode: Mode): string {
  if (/No space left/.test(error.stderr))
    return "free some space (also in the folder for temporary files), then try again";
  if (/Temporary failure|Could not resolve|Could not connect|Err:/.test(error.stderr)) {
    return "check the network and that 'apt-get update' works, then try again";
  }
  if (mode === "root") return "the build needs to mount filesystems: as an ordinary user it needs less";
  return "see the daemon's log (banger daemon logs); banger doctor checks what a build needs";
}
