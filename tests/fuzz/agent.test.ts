/** The agent's decoders under libFuzzer with address and undefined-behaviour sanitizers, a few seconds each. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { findTool } from "../../src/host/tools.ts";
import { temporaryFolder } from "../support/temporary.ts";

const GUEST = fileURLToPath(new URL("../../guest", import.meta.url));
const SECONDS = Number(process.env.BANGER_FUZZ_MS ?? 5000) / 1000;

for (const target of ["fields", "mux", "tar-in", "netguard"]) {
  test(`${target}: no input makes it crash, hang or touch memory that is not its own`, async (t) => {
    if (!(await findTool("clang"))) return t.skip("clang is not installed");
    const made = spawnSync("make", ["-s", "-C", GUEST, `build/fuzz-${target}`], { encoding: "utf8" });
    if (/cannot find .*fuzzer/.test(made.stderr)) return t.skip("clang's libFuzzer is not installed");
    assert.equal(made.status, 0, made.stderr);
    const folder = temporaryFolder(t);
    const corpus = join(folder, "corpus");
    mkdirSync(corpus);
    const ran = spawnSync(
      join(GUEST, "build", `fuzz-${target}`),
      [`-max_total_time=${SECONDS}`, "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1", corpus],
      { cwd: folder, encoding: "utf8", env: { ...process.env, ASAN_OPTIONS: "detect_leaks=0" } },
    );
    assert.equal(ran.status, 0, ran.stderr.slice(-8000));
    const runs = Number(/stat::number_of_executed_units:\s*(\d+)/.exec(ran.stderr)?.[1]);
    assert.ok(runs > 1000, `only ${runs} inputs were tried`);
  });
}
