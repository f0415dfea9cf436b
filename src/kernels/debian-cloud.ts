/** Debian's own cloud kernel, obtained and verified by the host's apt, unpacked without root. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { checkpoint } from "../core/checkpoints.ts";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import {
  type Apt,
  downloadPackage,
  firstError,
  hostApt,
  type PackageRecord,
  refreshedApt,
  showPackage,
} from "../host/apt.ts";
import { ProcessError, run } from "../host/run.ts";
import { UnusableKernel } from "./image/unusable.ts";
import { findKernel, type PackedKernel, packKernel } from "./pack.ts";

export const DEBIAN_CLOUD = "debian-cloud";
/** Depends on the newest cloud kernel of the release. */
const META = "linux-image-cloud-amd64";

export interface FetchedKernel extends PackedKernel {
  readonly packageName: string;
  readonly packageVersion: string;
}

/**
 * Fills `folder` with the current cloud kernel; `scratch` is a folder to work in, the caller removes it. Falls back to package lists of banger's own (in `aptFolder`) when the
 * host has none, or old ones that name a package which is gone.
 * @throws kernel_fetch_failed
 */
export async function fetchDebianCloud(
  folder: string,
  scratch: string,
  aptFolder: string,
  work: Work,
): Promise<FetchedKernel> {
  let stage = "looking it up";
  try {
    work.report.stage("getting kernel", "looking it up");
    const found = await download(join(scratch, "host"), hostApt(), work).catch((error: unknown) => {
      work.signal.throwIfAborted();
      if (!(error instanceof ProcessError)) throw error;
      return null;
    });
    let got = found;
    if (!got) {
      stage = "refreshing package lists";
      work.report.stage("getting kernel", stage);
      const apt = await refreshedApt(aptFolder, work.signal);
      stage = "downloading";
      got = await download(join(scratch, "own"), apt, work);
      if (!got) throw new UnknownPackage(apt.complaint);
    }
    checkpoint("kernel.downloaded");
    stage = "unpacking";
    work.report.stage("unpacking kernel", `${got.record.name} ${got.record.version}`);
    const root = join(scratch, "root");
    await mkdir(root, { mode: 0o700 });
    await run("dpkg-deb", ["--extract", got.file, root], { signal: work.signal });
    stage = "packing";
    const packed = await packKernel(await findKernel(root), root, folder, work.signal);
    return { ...packed, packageName: got.record.name, packageVersion: got.record.version };
  } catch (error) {
    work.signal.throwIfAborted();
    throw explain(error, stage);
  }
}

class UnknownPackage extends Error {}

/** The kernel package that META stands for, downloaded; null when apt does not know it. */
async function download(
  folder: string,
  apt: Apt,
  work: Work,
): Promise<{ file: string; record: PackageRecord } | null> {
  const meta = await showPackage(apt, META, work.signal);
  const name = meta?.depends.find((dependency) => /^linux-image-[\w.+-]+$/.test(dependency));
  const record = name ? await showPackage(apt, name, work.signal) : null;
  if (!record) return null;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  work.report.stage("downloading kernel", `${record.name} ${record.version}`);
  const file = await downloadPackage(
    apt,
    `${record.name}=${record.version}`,
    folder,
    work.signal,
    (percent) => work.report.progress({ done: Math.round(percent), total: 100, unit: "items" }),
  );
  return { file, record };
}

function explain(error: unknown, stage: string): unknown {
  const failed = (reason: string, fix: string) =>
    BangerError.of("kernel_fetch_failed", { name: DEBIAN_CLOUD, stage, reason, fix }, { cause: error });
  if (error instanceof UnknownPackage) {
    return failed(
      `apt knows no package ${META}${error.message ? ` (${error.message})` : ""}`,
      "this host's apt sources need a Debian release with component main (see /etc/apt/sources.list.d)",
    );
  }
  if (error instanceof UnusableKernel) {
    return failed(
      `the package cannot be used: ${error.message}`,
      "this is a bug in banger, please report it",
    );
  }
  if (error instanceof ProcessError) {
    return failed(
      error.program.startsWith("apt") ? firstError(error) : `${error.program}: ${error.lastLine}`,
      "check the network and that 'apt-get update' works, then try again",
    );
  }
  return error;
}
