import { formatDuration } from "../../core/units.ts";
import type { MisePlan } from "../../git/mise-plan.ts";
import {
  type Banger,
  BangerError,
  type CreateOptions,
  type FollowOptions,
  type Sandbox,
  type Vm,
} from "../../sdk/index.ts";
import { runCommand, untilLeft } from "../attach.ts";
import { define, flag, json, quiet, type Values } from "../command.ts";
import type { Context } from "../context.ts";
import { withHostPackages } from "../host-packages.ts";
import { commandEnvironment } from "../options/environment.ts";
import { fromSnapshot, refuseDecided, restoreRequest, snapshotLine } from "../options/from-snapshot.ts";
import { commandOptions } from "../options/guest-command.ts";
import { defaultsNote, type Machine, machineOptions, resolveMachine, specLead } from "../options/machine.ts";
import { prepareOptions, refuseWorkspace, workspaceOptions } from "../options/workspace.ts";
import { type DryRun, renderDryRun } from "../terminal/plan-view.ts";
import { notePublished } from "../terminal/ports.ts";
import { withProgress } from "../terminal/progress.ts";
import { inWorkspace } from "../workspace-command.ts";

const runOptions = {
  ...machineOptions,
  fromSnapshot,
  ...commandOptions,
  rm: flag("--rm", "delete the VM when the shell or command ends, however it ends"),
  ...workspaceOptions,
  noBootstrap: flag("--no-bootstrap", "do not install the tools that the repository asks mise for"),
  dryRun: flag("--dry-run", "print what would be copied; make nothing"),
  detach: flag("-d, --detach", "return when the VM is ready; it runs on"),
  quiet,
  json,
};

interface Ran {
  readonly code: number;
  /** Set when the VM goes on without us (`--detach`). */
  readonly vm?: Vm;
  /** Set when nothing was made (`--dry-run`). */
  readonly plan?: DryRun;
}

export default define({
  name: "vm run",
  summary: "a shell or a command in a fresh VM, with the git repository at path in it",
  arguments: "[path]",
  takesCommand: true,
  guestExit: true,
  options: runOptions,
  examples: [
    ["banger vm run", "a shell; the VM stays when you leave it"],
    ["banger vm run . -- make test", "the repository of this folder, as it is now, at /root/repo"],
    ["banger vm run . --branch fix --from v1.2", "on a new branch"],
    ["banger vm run . --dry-run", "the files that would be copied"],
    ["banger vm run --rm -- uname -a", "one command, then the VM is gone; ends with the command's code"],
    ["banger vm run --rm --vcpu 2 --memory 4G -e CI=1 -- make test", "with sizes and environment"],
    ["echo hello | banger vm run --rm -- cat", "standard input goes to the command"],
    ["banger vm run -d --name box", "a VM in the background"],
    ["banger vm run --detach-keys ctrl-p,ctrl-q", "a shell that can be left and come back to"],
    ["banger vm run --image python:3.12-slim -- python3 -c 'print(1)'", "an image of a registry"],
    ["banger vm run --rm --from-snapshot ready -- make test", "in a VM that goes on from a snapshot"],
    ["banger vm run --image nginx", "what the image itself runs, as docker run does"],
    ["banger vm run -d -p 8080:80", "port 8080 here leads to port 80 in the guest, as long as the VM runs"],
  ],
  notes: defaultsNote,
  handler: async ({ args: [path], options, command }, context): Promise<Ran> => {
    refuse(options, command, path);
    if (path !== undefined && options.dryRun) return { code: 0, plan: await plan(path, options) };
    const tools = path === undefined ? null : await check(path, options, command !== undefined);
    const env = await commandEnvironment(options, context.env);
    const machine = options.fromSnapshot === undefined ? await resolveMachine(options) : null;
    const banger = await context.connect();
    const begun = performance.now();
    const workspace = path === undefined ? undefined : { path, ...prepareOptions(options) };
    const vm = machine
      ? await boot(banger, { ...machine, ...(workspace && { workspace }) }, options, context)
      : await restore(banger, options.fromSnapshot ?? "", options, context);
    if (!options.quiet) notePublished(context, vm.info);
    if (!options.quiet) context.note(`ready in ${formatDuration(performance.now() - begun)}`);
    let leave: Awaited<ReturnType<typeof install>> | undefined;
    try {
      if (tools) leave = await install(vm, tools, options, context);
      const toRun = command ?? (workspace || !machine ? undefined : await imageCommand(banger, vm));
      if (options.detach) {
        if (toRun) await vm.exec(toRun, { env, detach: true, label: "image" }).detached;
        return { code: 0, vm: vm.info };
      }
      const request = {
        ...options,
        env,
        // The repository is root's, whoever the image would rather be.
        user: options.user ?? (workspace && "root"),
        // A command of the image's is talked to like a shell, when there is somebody to talk.
        tty: options.tty || (command === undefined && context.stdin.isTTY === true),
      };
      const run = inWorkspace(toRun, request, vm.info.workspace);
      const exec: Parameters<typeof runCommand>[1] = (argv, more) => vm.exec(argv, more);
      return {
        code: await untilLeft(vm.name, context, () => runCommand(context, exec, run.command, run.request)),
      };
    } finally {
      await leave?.(!options.rm);
      if (options.rm) await remove(vm, context);
      else if (!options.quiet && !options.detach) context.note(keptNote(vm, context));
    }
  },
  render: ({ vm, plan }) => (plan ? renderDryRun(plan) : vm ? `${vm.name}\n` : ""),
  json: ({ vm, plan }) => plan ?? vm,
  exitCode: ({ code }) => code,
});

function refuse(
  options: Values<typeof runOptions>,
  command: readonly string[] | undefined,
  path: string | undefined,
): void {
  const wrong = (problem: string, accepted: string) =>
    BangerError.of("invalid_argument", { what: "vm run", problem, accepted });
  if (options.detach && options.rm) {
    throw wrong("--detach and --rm exclude each other", "a detached VM is deleted with: banger vm delete");
  }
  if (options.detach && command) {
    throw wrong("--detach takes no command", "run -d, then: banger vm exec VM -- cmd");
  }
  if (options.detachKeys && (options.rm || options.detach)) {
    const other = options.rm ? "--rm" : "--detach";
    throw wrong(
      `--detach-keys and ${other} exclude each other`,
      "the VM and the command stay when they are left",
    );
  }
  if (options.fromSnapshot !== undefined) refuseDecided(options, path);
  refuseWorkspace("vm run", options, path);
  if (options.dryRun && path === undefined)
    throw wrong("--dry-run needs a path", "banger vm run . --dry-run");
  if (options.json && !options.detach && !options.dryRun) {
    throw wrong(
      "--json needs --detach or --dry-run: otherwise the output is the command's own",
      "leave out one of them",
    );
  }
}

/** Loaded only where there is a repository: start-up time is part of the product. */
async function plan(path: string, options: Values<typeof runOptions>): Promise<DryRun> {
  return (await import("../dry-run.ts")).dryRun(path, options);
}

/** Refuses before a VM, or even a daemon, exists. @returns the tools to install, if there are any */
async function check(
  path: string,
  options: Values<typeof runOptions>,
  isCommand: boolean,
): Promise<MisePlan | null> {
  const { checkRepository } = await import("../../git/plan.ts");
  const { root } = await checkRepository(
    path,
    options.branch ?? null,
    options.from ?? null,
    options.mode === "full_copy",
  );
  if (isCommand || options.noBootstrap) return null;
  const { misePlan } = await import("../../git/mise-plan.ts");
  const plan = await misePlan(root);
  (await import("../bootstrap.ts")).refuseBootstrap(plan, hasNetwork(options));
  return plan;
}

const hasNetwork = (options: object) => "nat" in options && options.nat === true;

async function install(vm: Sandbox, tools: MisePlan, options: Values<typeof runOptions>, context: Context) {
  const { bootstrap } = await import("../bootstrap.ts");
  return bootstrap(vm, tools, context, { background: !options.detach, quiet: options.quiet });
}

async function boot(
  banger: Banger,
  machine: Machine,
  options: Values<typeof runOptions>,
  context: Context,
): Promise<Sandbox> {
  return make(
    banger,
    options,
    context,
    (leased, following) => banger.create({ ...machine, ...leased }, following),
    async () => specLead(machine, (await context.status()).driver),
  );
}

async function restore(
  banger: Banger,
  snapshot: string,
  options: Values<typeof runOptions>,
  context: Context,
): Promise<Sandbox> {
  if (!options.quiet) context.note(snapshotLine(await banger.snapshots.get(snapshot)));
  const request = restoreRequest(options);
  return make(banger, options, context, (leased, following) =>
    banger.restore(snapshot, { ...request, ...leased }, following),
  );
}

type Leased = Required<Pick<CreateOptions, "lease" | "autoRemove" | "keep">>;

/** Makes the VM under a lease: if this process ends before it is ready, or ever with `--rm`, the daemon takes it back. */
async function make(
  banger: Banger,
  options: Values<typeof runOptions>,
  context: Context,
  work: (leased: Leased, following: FollowOptions) => Promise<Sandbox>,
  leading?: () => Promise<ReturnType<typeof specLead>>,
): Promise<Sandbox> {
  const [lease, lead] = await Promise.all([banger.lease(), options.quiet ? undefined : leading?.()]);
  const leased = { lease: lease.id, autoRemove: options.rm, keep: true };
  return withHostPackages(context, options.yes, () =>
    withProgress(context, options.quiet, (following) => work(leased, following), lead),
  );
}

/** What the image itself runs, as `docker run` does; undefined for a shell. */
async function imageCommand(banger: Banger, vm: Sandbox): Promise<readonly string[] | undefined> {
  const { entrypoint, command } = await banger.images.get(vm.info.image.digest);
  const words = [...entrypoint, ...command];
  return words.length > 0 ? words : undefined;
}

/** Nothing stops the deletion; a client that is killed meanwhile has the daemon do it. */
async function remove(vm: Sandbox, context: Context): Promise<void> {
  await context.interrupts.during(
    () => {},
    async () => {
      await vm.delete().catch((error: BangerError) => {
        if (error.code === "vm_not_found") return; // a daemon that was started anew did it
        context.note(`${context.style.yellow("note:")} ${vm.name} was not deleted: ${error.message}`);
      });
    },
  );
}

function keptNote(vm: Sandbox, { style }: Context): string {
  return `${style.yellow("note:")} ${vm.name} runs on; banger vm stop ${vm.name} stops it, banger vm delete ${vm.name} deletes it`;
}
