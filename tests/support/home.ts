/** A home of a test file's own, with the run's kernel and image in it, and its daemon; taken down completely afterwards. */
import assert from "node:assert/strict";
import { cp, link, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { daemonSocket, resolvePaths } from "../../src/host/paths.ts";
import { signalFamily } from "../../src/host/processes.ts";
import { connectUnix } from "../../src/host/unix-socket.ts";
import { Banger } from "../../src/sdk/index.ts";
import { banger, type CommandResult, configureHome, homeEnvironment, leftProcesses } from "./command.ts";

export interface TestHome {
  readonly path: string;
  readonly env: NodeJS.ProcessEnv;
  /** banger's state folder. */
  readonly state: string;
  /** Runs a command line of banger's in this home. */
  run(args: readonly string[], input?: string | Buffer): Promise<CommandResult>;
  /** A client of this home's daemon; the daemon is started when needed. */
  connect(): Promise<Banger>;
  /** Kills this home's daemon the hard way; resolves when it is gone. */
  killDaemon(): Promise<void>;
}

/** Makes a home and points this process at it, so that the SDK finds it. Once per test file, at its top level. */
export async function makeHome(options: { readonly seeded?: boolean } = {}): Promise<TestHome> {
  const path = await mkdtemp(join(tmpdir(), "banger-home-"));
  const env = homeEnvironment(path);
  for (const name of Object.keys(process.env)) if (name.startsWith("XDG_")) delete process.env[name];
  process.env.HOME = path;
  await configureHome(path);
  if (options.seeded !== false) await seedHome(path);
  const home: TestHome = {
    path,
    env,
    state: join(path, ".local/state/banger"),
    run: (args, input) => banger(args, input === undefined ? { env } : { env, input }),
    connect: () => Banger.connect(),
    killDaemon: async () => {
      using client = await Banger.connect({ autostart: false });
      const { pid } = await client.status();
      const socket = daemonSocket(resolvePaths(env));
      let connection: Socket | null = await connectUnix(socket);
      process.kill(pid, "SIGKILL");
      // A dying process closes one descriptor after the other: it is gone when nobody takes connections any more.
      for (; connection; connection = await connectUnix(socket).catch(() => null)) await closed(connection);
    },
  };
  after(() => takeDown(home));
  return home;
}

function closed(connection: Socket): Promise<unknown> {
  connection.on("error", () => {}); // followed by close
  return new Promise((resolve) => connection.once("close", resolve).resume());
}

const SEEDED = [".local/state/banger/images", ".local/state/banger/kernels", ".cache/banger"];

/** Puts the run's kernel and image into a home. */
export async function seedHome(home: string): Promise<void> {
  const seed = process.env.BANGER_TEST_SEED;
  assert.ok(seed, "run with --test-global-setup=tests/support/global-setup.ts");
  for (const folder of SEEDED) await linkTree(join(seed, folder), join(home, folder));
}

/** Makes `to` a copy of a tree that shares its files. */
export async function linkTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await linkTree(source, target);
    else if (entry.isFile()) await link(source, target);
    else await cp(source, target, { verbatimSymlinks: true });
  }
}

async function takeDown(home: TestHome): Promise<void> {
  const client = await home.connect();
  for (const vm of await client.list()) await vm.delete();
  await home.run(["daemon", "stop"]);
  const left = await leftProcesses(home.path);
  // A child of this process that goes on would keep it, and with it the whole run.
  for (const line of left) signalFamily(Number.parseInt(line, 10), "SIGKILL");
  await rm(home.path, { recursive: true, force: true });
  assert.deepEqual(left, [], "no process of banger's may remain");
}
