/**
 * `npm run bench [-- --only boot,exec] [--json] [--strict]`: speed as ratios, measured against the bare tools in the same run.
 * A missed target is shown as MISS; only with --strict it fails. `--only workspace` takes `workspace-small` and its like, too.
 */
import { rm } from "node:fs/promises";
import { parseArgs } from "node:util";
import { banger } from "../support/command.ts";
import { benchBoot } from "./boot.ts";
import { benchClient } from "./client.ts";
import { benchCopyIn, benchCopyOut, benchCopyTree } from "./copy.ts";
import { benchDaemon } from "./daemon.ts";
import { benchExec } from "./exec.ts";
import { benchFirecracker } from "./firecracker.ts";
import { benchForks } from "./forks.ts";
import { benchImages } from "./images.ts";
import { benchKernels } from "./kernels.ts";
import { benchList } from "./list.ts";
import type { Row } from "./measure.ts";
import { makeBenchHome } from "./setting.ts";
import { benchStandby } from "./standby.ts";
import { benchStop } from "./stop.ts";
import { benchThroughput } from "./throughput.ts";
import { benchVersion } from "./version.ts";
import { benchSsh } from "./vm-ssh.ts";
import { benchWarm } from "./warm.ts";
import { benchWorkspace } from "./workspace.ts";

const BENCHES = {
  version: benchVersion,
  client: benchClient,
  boot: benchBoot,
  warm: benchWarm,
  standby: benchStandby,
  exec: benchExec,
  forks: benchForks,
  throughput: benchThroughput,
  ssh: benchSsh,
  "workspace-small": benchWorkspace("small"),
  "workspace-many": benchWorkspace("many"),
  "workspace-large": benchWorkspace("large"),
  "copy-in": benchCopyIn,
  "copy-out": benchCopyOut,
  "copy-tree": benchCopyTree,
  list: benchList,
  stop: benchStop,
  daemon: benchDaemon,
  images: benchImages,
  kernels: benchKernels,
  firecracker: benchFirecracker,
};

const { values } = parseArgs({
  options: { only: { type: "string" }, json: { type: "boolean" }, strict: { type: "boolean" } },
});
const wanted = values.only?.split(",") ?? Object.keys(BENCHES);
const rows: Row[] = [];
const home = await makeBenchHome();
try {
  for (const [name, bench] of Object.entries(BENCHES)) {
    if (!wanted.some((one) => name === one || name.startsWith(`${one}-`))) continue;
    console.error(`measuring ${name} ...`);
    rows.push(...(await bench(home)));
  }
} finally {
  await banger(["daemon", "stop"], { env: home.env });
  await rm(home.path, { recursive: true, force: true });
}
if (values.json) console.log(JSON.stringify(rows, null, 2));
else print(rows);
if (values.strict && rows.some((row) => !row.ok)) process.exitCode = 1;

function print(all: readonly Row[]): void {
  console.log("| what | n | banger | compared with | ratio | target | |");
  console.log("| --- | --- | --- | --- | --- | --- | --- |");
  for (const row of all) {
    const ratio = Number.isNaN(row.ratio) ? "" : row.ratio.toFixed(2);
    console.log(
      `| ${row.name} | ${row.n} | ${row.ours} | ${row.theirs} | ${ratio} | ${row.target} | ${row.ok ? "ok" : "MISS"} |`,
    );
  }
}
