/** Builds an image from a recipe: mmdebstrap → tar → sqfstar, in one pipe, without root. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { GIB } from "../core/units.ts";
import { requireSpace } from "../disk/free-space.ts";
import { aptEnvironment } from "../host/apt.ts";
import { hashFile } from "../host/hash.ts";
import { ProcessError, runPipe } from "../host/run.ts";
import { requireTools } from "../host/tools.ts";
import { sourceLines } from "./apt-sources.ts";
import { hostMirrors } from "./host-mirrors.ts";
import { failureReason, mmdebstrapArguments, stageOf } from "./mmdebstrap.ts";
import type { Recipe } from "./recipe.ts";
import { chooseMode, type Mode, ROOTFS, sqfstarCommand } from "./squashfs.ts";

/** Unpacked packages in the temporary folder and the finished image. */
const WORKING_ROOM = 2 * GIB;

/**
 * Fills `folder` with the image of a recipe.
 * @returns digest and size of the root filesystem
 * @throws image_build_failed | host_packages_missing | no_space
 */
export async function buildImage(
  recipe: Recipe,
  folder: string,
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
  let stage = "starting";
  const begin = (next: string) => {
    stage = next;
    work.report.stage("building image", next);
  };
  begin(stage);
  const args = mmdebstrapArguments(recipe, mode, sourceLines(mirrors, recipe.suite, recipe.components));
  try {
    await runPipe(["mmdebstrap", args], sqfstarCommand(mode, rootfs), {
      signal: work.signal,
      // mmdebstrap's namespace cannot enter a private folder, so it must not start in one.
      cwd: "/",
      env: aptEnvironment(),
      onStderrLine: (line) => {
        const next = stageOf(line);
        if (next) begin(next);
      },
      onBytes: (done) => work.report.progress({ done, unit: "bytes" }),
    });
  } catch (error) {
    work.signal.throwIfAborted();
    if (!(error instanceof ProcessError)) throw error;
    throw failed(stage, failureReason(error.stderr || error.message), fixFor(error, mode), error);
  }
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
