/** banger as a user without any right of root's: an id that nobody has, a home with the run's kernel and image. For tests that run as root. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import {
  type CommandResult,
  configureHome,
  homeEnvironment,
  LAUNCHER,
  leftProcesses,
  runToEnd,
} from "./command.ts";

const run = promisify(execFile);
const ID = "61000";
const AS_USER = ["--reuid", ID, "--regid", ID, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"];
const SEEDED = [".local/state/banger/images", ".local/state/banger/kernels", ".cache/banger/agent"];

export interface OrdinaryUser {
  readonly uid: number;
  readonly home: string;
  run(args: readonly string[]): Promise<CommandResult>;
  /** Takes the home down with all that is in it and runs for it. */
  remove(): Promise<void>;
}

/** Why there can be none here; false when there can. */
export async function ordinaryUserMissing(): Promise<string | false> {
  if (process.getuid?.() !== 0)
    return "only root becomes somebody else; these tests run as an ordinary user anyway";
  return run("setpriv", [...AS_USER, LAUNCHER, "--version"], { env: { PATH: process.env.PATH } }).then(
    () => false,
    (error: Error) => `an ordinary user cannot run this clone: ${error.message}`,
  );
}

export async function makeOrdinaryUser(): Promise<OrdinaryUser> {
  const path = await mkdtemp(join(tmpdir(), "banger-user-"));
  const env = homeEnvironment(path);
  const seed = process.env.BANGER_TEST_SEED;
  assert.ok(seed, "run with --test-global-setup=tests/support/global-setup.ts");
  for (const folder of SEEDED) {
    await mkdir(dirname(join(path, folder)), { recursive: true, mode: 0o700 });
    await cp(join(seed, folder), join(path, folder), { recursive: true, verbatimSymlinks: true });
  }
  await configureHome(path);
  await run("chown", ["-R", `${ID}:${ID}`, path]);
  const user = (args: readonly string[]) =>
    runToEnd("setpriv", [...AS_USER, LAUNCHER, ...args], { env, cwd: path });
  return {
    uid: Number(ID),
    home: path,
    run: user,
    remove: async () => {
      const vms = JSON.parse((await user(["vm", "list", "-a", "--json"])).stdout) as { id: string }[];
      if (vms.length > 0) await user(["vm", "delete", ...vms.map(({ id }) => id)]);
      await user(["daemon", "stop"]);
      const left = await leftProcesses(path);
      await rm(path, { recursive: true, force: true });
      assert.deepEqual(left, [], "no process of banger's may remain");
    },
  };
}
