/** Kills the daemon, a monitor or a client at a checkpoint of the daemon's, and looks at what is left. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Checkpoint } from "../../src/core/checkpoints.ts";
import { BangerError, type ErrorBody } from "../../src/core/errors.ts";
import type { Banger, Sandbox } from "../../src/sdk/index.ts";
import { LAUNCHER, runToEnd } from "./command.ts";
import type { TestHome } from "./home.ts";
import { patient } from "./patience.ts";
import { assertSound } from "./soundness.ts";

export const FOLDER_VARIABLE = "BANGER_TEST_FAULTS";
export const ARMED = "armed";
export const PASSED = "passed";

export interface Fault {
  readonly point: Checkpoint;
  readonly victim: "daemon" | "monitor" | "client";
}

const START = fileURLToPath(new URL("./fault-daemon-start.ts", import.meta.url));
/** States of a VM that has a monitor. */
const LIVE = ["starting", "running", "paused", "stopping"];
const PATIENCE_MS = patient(60_000);

export class Faults {
  readonly #home: TestHome;
  readonly #folder: string;
  readonly #behind: readonly string[];
  /** Where the daemon was killed. */
  readonly killed = new Set<Checkpoint>();

  /** @param behind what is put before the daemon's start */
  constructor(home: TestHome, behind: readonly string[] = []) {
    this.#home = home;
    this.#behind = behind;
    this.#folder = join(home.path, "faults");
    mkdirSync(this.#folder);
    writeFileSync(join(this.#folder, PASSED), "");
  }

  /** A client of the daemon with faults, which is started when none runs. @throws daemon_start_failed */
  async connect(): Promise<Banger> {
    const [program = "", ...args] = [...this.#behind, process.execPath, START];
    const env = { ...this.#home.env, [FOLDER_VARIABLE]: this.#folder };
    const { code, stdout, stderr } = await runToEnd(program, args, { env });
    if (stdout !== "") throw BangerError.fromBody(JSON.parse(stdout) as ErrorBody, 500);
    assert.equal(code, 0, stderr);
    return this.#home.connect();
  }

  /** Has a fault happen the next time its point is passed. */
  arm(fault: Fault): void {
    writeFileSync(join(this.#folder, ARMED), JSON.stringify(fault));
  }

  /** Checkpoints passed since the beginning. */
  passed(): Set<string> {
    return new Set(readFileSync(join(this.#folder, PASSED), "utf8").split("\n"));
  }

  /** Resolves once the armed fault has happened. */
  untilHappened({ point }: Fault): Promise<void> {
    const armed = join(this.#folder, ARMED);
    return untilHolds(`${point} passed`, this.#folder, async () => !existsSync(armed));
  }

  /** Fails unless the armed fault has happened. */
  assertHappened({ point, victim }: Fault): void {
    const armed = join(this.#folder, ARMED);
    let left: string | null = null;
    try {
      left = readFileSync(armed, "utf8");
    } catch {
      return;
    }
    rmSync(armed);
    assert.fail(`${point} was not passed, so no ${victim} was killed: ${left}`);
  }

  /** Has `act` cut off by the daemon's end at a point; returns a client of its successor once that has finished what was begun. */
  async cutOff(point: Checkpoint, act: readonly string[]): Promise<Banger> {
    this.arm({ point, victim: "daemon" });
    assert.notEqual(await this.run(act), 0, `${point}: the client learns that the daemon is gone`);
    this.assertHappened({ point, victim: "daemon" });
    this.killed.add(point);
    const banger = await this.connect();
    await assertSound(banger, this.#home);
    return banger;
  }

  /** Kills the VM's monitor while `act` is at a point; returns when that was noticed. */
  async shoot(vm: Sandbox, point: Checkpoint, act: readonly string[]): Promise<void> {
    this.arm({ point, victim: "monitor" });
    await this.run(act);
    this.assertHappened({ point, victim: "monitor" });
    // What was asked for may have ended well before the monitor's end was noticed.
    await untilHolds(
      `${point}: noticed`,
      this.#home.state,
      async () => !LIVE.includes((await vm.refresh()).state),
    );
    await assertSound(await this.connect(), this.#home);
  }

  /** Kills the client that runs `act` at a point. */
  async leave(point: Checkpoint, act: readonly string[]): Promise<void> {
    this.arm({ point, victim: "client" });
    assert.equal(await this.run(act), null, "killed");
    this.assertHappened({ point, victim: "client" });
  }

  /** Runs a command line as the client that a fault may kill; what it says is of no interest. */
  async run(args: readonly string[]): Promise<number | null> {
    const child = spawn(LAUNCHER, args, { env: this.#home.env, stdio: "ignore" });
    writeFileSync(join(this.#folder, "client"), String(child.pid));
    const [code] = (await once(child, "exit")) as [number | null];
    return code;
  }
}

/** Resolves when `holds` does; looks whenever something changes in `folder`. */
export async function untilHolds(what: string, folder: string, holds: () => Promise<boolean>): Promise<void> {
  const late = AbortSignal.timeout(PATIENCE_MS);
  const watcher = watch(folder);
  try {
    for (;;) {
      const change = once(watcher, "change", { signal: late });
      change.catch(() => {});
      if (await holds()) return;
      await change.catch(() => assert.fail(`${what} did not come about`));
    }
  } finally {
    watcher.close();
  }
}
