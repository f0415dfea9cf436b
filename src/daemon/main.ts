/**
 * The daemon's entry: composition root. Takes the lock, opens the store, reconciles, listens, tells its starter that it is
 * ready (one line on the descriptor BANGER_READY_FD: `ready`, `exists`, or `failed <error>`), and serves until SIGTERM.
 */
import { createWriteStream } from "node:fs";
import { availableParallelism, uptime } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { Catalogs } from "../catalog/catalogs.ts";
import { asBangerError, BangerError } from "../core/errors.ts";
import { Slots } from "../core/slots.ts";
import { silent } from "../core/stage.ts";
import { ensureAgentBinary } from "../disk/agent-binary.ts";
import { ensureInitramfs } from "../disk/initramfs.ts";
import { cloneStateDisk, ensureStateTemplate } from "../disk/state-disk.ts";
import { connectPort } from "../guest/index.ts";
import { ConfigFile } from "../host/config-file.ts";
import { READY_FD_VARIABLE } from "../host/daemon-process.ts";
import { privateDirectory } from "../host/files.ts";
import { clearLeftovers } from "../host/leftovers.ts";
import { daemonSocket, databaseFile, type Paths, resolvePaths, vmDirectory } from "../host/paths.ts";
import { Supplies } from "../host/supplies.ts";
import { ImageStore } from "../images/store.ts";
import { elfKernel } from "../kernels/elf-kernel.ts";
import { KernelStore } from "../kernels/store.ts";
import { Nats } from "../network/nats.ts";
import { PublishedPorts } from "../network/published-ports.ts";
import { SnapshotStore } from "../snapshots/store.ts";
import { type Database, openDatabase } from "../store/database.ts";
import { SnapshotRepository } from "../store/snapshots.ts";
import { VmRepository } from "../store/vms.ts";
import { WorkspaceRepository } from "../store/workspaces.ts";
import { BusyVms } from "../vm/busy.ts";
import { ConsoleLog } from "../vm/console-log.ts";
import type { BootFiles, Log, VmContext } from "../vm/context.ts";
import { Deadlines } from "../vm/deadlines.ts";
import { LiveVms } from "../vm/live-vm.ts";
import { recoverVms } from "../vm/recover.ts";
import { SshAccess } from "../vm/ssh-access.ts";
import { Standby } from "../vm/standby.ts";
import { buildStandby } from "../vm/standby-build.ts";
import { buildTemplate, endUnfinishedTemplates } from "../vm/warm-build.ts";
import { WarmKeeper } from "../vm/warm-keeper.ts";
import { WarmTemplates } from "../vm/warm-templates.ts";
import { configuredDrivers } from "./configured-drivers.ts";
import { makeHandlers } from "./handlers.ts";
import { Leases } from "./leases.ts";
import { listenOn, untilListening } from "./listen.ts";
import { Operations } from "./operations.ts";
import { buildServer } from "./server.ts";
import { acquireDaemonLock } from "./single-instance.ts";
import { SnapshotService } from "./snapshot-service.ts";
import type { Stores } from "./store-handlers.ts";
import { VmService } from "./vm-service.ts";
import { WorkspaceService } from "./workspace-service.ts";

const OTHER_DAEMON_MS = 30_000;

async function main(): Promise<void> {
  process.umask(0o077); // also for what SQLite and QEMU make
  const paths = resolvePaths();
  const tellStarter = starterPipe();
  try {
    for (const folder of [paths.state, paths.cache, paths.run]) await privateDirectory(folder);
    const lock = acquireDaemonLock(join(paths.state, "daemon.lock"));
    if (!lock) {
      await untilListening(daemonSocket(paths), OTHER_DAEMON_MS);
      tellStarter("exists");
      return;
    }
    await serve(paths, lock, () => tellStarter("ready"));
  } catch (error) {
    const failure = asBangerError(error);
    tellStarter(`failed ${JSON.stringify(failure.toBody())}`);
    process.stderr.write(`${JSON.stringify({ level: "fatal", ...describeFailure(failure) })}\n`);
    process.exitCode = 1;
  }
}

async function serve(paths: Paths, lock: Disposable, ready: () => void): Promise<void> {
  const config = await ConfigFile.open(paths);
  const log = pino(
    { level: config.current.log_level, base: { pid: process.pid } },
    pino.destination({ dest: 2, sync: true }),
  );
  const database = openDatabase(databaseFile(paths));
  const context = makeContext(paths, config, database, log);
  await endUnfinishedTemplates(paths.cache);
  await clearLeftovers(paths);
  const half = await context.snapshots.reconcile();
  if (half.length > 0) log.info({ snapshots: half }, "removed snapshots that were not whole");
  const unfinished = await recoverVms(context, Date.now() - uptime() * 1000);
  await context.ssh.tidy();

  const operations = new Operations(log);
  for (const { kind, vm, run } of unfinished)
    operations.start(kind, vm.id, (work) => context.busy.hold(vm, kind, () => run(work)));
  const leases = new Leases();
  const putAway = async (why: string): Promise<void> => {
    log.info({ why }, "stopping; VMs run on");
    await leases.closeAll();
    await Promise.all([operations.cancelAll(), context.warm.stop()]);
    server.server.close();
    database.close();
    lock[Symbol.dispose]();
  };
  const workspaces = new WorkspaceService(context, operations);
  const vms = new VmService(context, operations, leases, workspaces);
  const snapshots = new SnapshotService(context, operations);
  const server = await buildServer(
    makeHandlers({ context, operations, leases, vms, workspaces, snapshots, putAway }),
  );
  await server.ready();
  await listenOn(server.server, daemonSocket(paths));
  // Connections to running monitors keep the loop alive; they are theirs to end.
  for (const name of ["SIGTERM", "SIGINT"] as const)
    process.once(name, () => void putAway(name).finally(() => process.exit(0)));
  process.on("SIGHUP", () => {}); // the starter's terminal is none of our business
  context.deadlines.begin((vm, why) => vms.endAtDeadline(vm, why));
  log.info({ socket: daemonSocket(paths) }, "ready");
  ready();
}

function makeContext(
  paths: Paths,
  config: ConfigFile,
  database: Database,
  log: Log & { level: string },
): VmContext & Stores {
  const consoles = new Map<string, ConsoleLog>();
  const live = new LiveVms();
  const vms = new VmRepository(database);
  const catalogs = new Catalogs({ paths, sources: () => config.current.catalogs });
  const kernels = new KernelStore({ paths, catalogs });
  const files = bootFiles(paths);
  const drivers = configuredDrivers(config, {
    cache: paths.cache,
    state: paths.state,
    anyKernel: async () => {
      const kernel = await kernels.forProof();
      return kernel && files.kernel(kernel);
    },
    keep: true,
  });
  const context: VmContext & Stores = {
    paths,
    get config() {
      return config.current;
    },
    async readConfig() {
      const read = await config.refresh();
      log.level = read.log_level;
      return read;
    },
    vms,
    workspaces: new WorkspaceRepository(database),
    snapshots: new SnapshotStore(paths, new SnapshotRepository(database)),
    catalogs,
    images: new ImageStore({ paths, catalogs }),
    kernels,
    bootFiles: files,
    get drivers() {
      return drivers();
    },
    live,
    ports: publishedPorts(vms, live, log),
    nats: new Nats({
      folderOf: (id) => vmDirectory(paths, id),
      guard: () => ensureAgentBinary(paths, { report: silent, signal: new AbortController().signal }),
      warn: (facts, message) => log.warn(facts, message),
    }),
    busy: new BusyVms(),
    ssh: new SshAccess(paths, () => config.current.ssh_key_path, vms, log),
    supplies: new Supplies(),
    starts: new Slots(availableParallelism() + 1), // each waits for something now and then
    deadlines: new Deadlines(vms, () => config.current.auto_stop_after),
    log,
    consoleOf(id) {
      const log = consoles.get(id) ?? new ConsoleLog(vmDirectory(paths, id));
      consoles.set(id, log);
      return log;
    },
    forgetConsole: (id) => void consoles.delete(id),
    get standby() {
      return standby;
    },
    warm: new WarmKeeper(new WarmTemplates(paths.cache), {
      build: (request, folder, work) => buildTemplate(context, request, folder, work),
      standby: (request, template, signal) => context.standby.prepare(request, template, signal),
      standDown: () => context.standby.drop(),
      limit: () => config.current.warm_cache,
      busy: () => context.supplies.inUse || live.all().some((vm) => vm.inUse),
      quietMs: 1000,
      patienceMs: 30_000,
      log,
    }),
  };
  const standby = new Standby(context, {
    make: (request, template, signal) => buildStandby(context, request, template, signal),
    most: () => config.current.standby,
    freeMemory: () => process.availableMemory(),
  });
  return context;
}

function publishedPorts(vms: VmRepository, live: LiveVms, log: Log): PublishedPorts {
  return new PublishedPorts({
    connect: async (id, port) => {
      const vm = live.get(id);
      if (!vm) throw BangerError.of("guest_unreachable", { reason: "the VM does not run yet" });
      if (vms.get(id)?.state === "paused")
        throw BangerError.of("guest_unreachable", { reason: "the VM is paused" });
      return connectPort(await vm.guest(), port);
    },
    nameOf: (id) => vms.get(id)?.name,
    warn: (facts, message) => log.warn(facts, message),
  });
}

function bootFiles(paths: Paths): BootFiles {
  return {
    kernel: async (kernel) => ({ image: kernel.vmlinuz, elf: await elfKernel(paths.cache, kernel) }),
    async initramfs(kernel, work) {
      const agent = await ensureAgentBinary(paths, work);
      return ensureInitramfs(paths, { agent, modules: kernel.bootModules });
    },
    async makeStateDisk(bytes, target, work) {
      await cloneStateDisk(await ensureStateTemplate(paths, bytes, work.signal), target, work.signal);
    },
  };
}

function starterPipe(): (line: string) => void {
  const fd = Number(process.env[READY_FD_VARIABLE]);
  if (!Number.isInteger(fd) || fd < 3) return () => {};
  delete process.env[READY_FD_VARIABLE];
  const pipe = createWriteStream("", { fd });
  pipe.on("error", () => {}); // the starter went away
  return (line) => pipe.end(`${line}\n`);
}

function describeFailure(error: BangerError) {
  return { code: error.code, msg: error.message, hint: error.hint, stack: error.stack };
}

await main();
