/** Installs the tools that a repository asks mise for in a fresh VM. A failure is told and never ends the command. */
import { BangerError, clean } from "../core/errors.ts";
import type { MisePlan } from "../git/mise-plan.ts";
import { type ExitStatus, exitCode, type Sandbox } from "../sdk/index.ts";
import type { Context } from "./context.ts";
import { drain } from "./terminal/flow.ts";
import { MISE_PATH } from "./workspace-command.ts";

/** In the guest. */
const LOG = "/var/log/banger-bootstrap.log";
const TAIL_LINES = 15;
/** Nothing is left to be told. */
const told: Leave = async () => {};

/** @throws invalid_argument when tools are to be installed and nothing could be fetched */
export function refuseBootstrap(plan: MisePlan | null, hasNetwork: boolean): void {
  if (!plan || hasNetwork) return;
  throw BangerError.of("invalid_argument", {
    what: plan.files.join(", "),
    problem: `${describeTools(plan)} would be installed, which needs a network`,
    accepted: "--nat gives the VM one; --no-bootstrap leaves the tools out",
  });
}

/** `node 24, go 1.23` */
export function describeTools({ tools, files }: MisePlan): string {
  if (tools.length === 0) return `tools of ${files.join(", ")}`;
  return tools.map(({ name, version }) => clean(`${name} ${version}`, 80)).join(", ");
}

/** To be called when the user leaves the VM, which stays or not: tells what became of the installation meanwhile. */
type Leave = (isKept: boolean) => Promise<void>;

/**
 * With `background` only starts the installation, which goes on when this client leaves; otherwise waits and shows what it prints.
 */
export async function bootstrap(
  vm: Sandbox,
  plan: MisePlan,
  context: Context,
  options: { readonly background: boolean; readonly quiet: boolean },
): Promise<Leave> {
  const folder = vm.info.workspace?.guest_path ?? "/";
  const note = (text: string) => {
    if (!options.quiet) context.note(`${context.style.yellow("note:")} ${text}`);
  };
  if (!(await hasMise(vm))) {
    note(`${vm.info.image.name} has no mise: ${describeTools(plan)} not installed`);
    return told;
  }
  note(`tools: ${describeTools(plan)}; log in the guest: ${LOG}`);
  const install = `${MISE_PATH}; export PATH; mise trust --yes && mise install --yes`;
  const tellFailure = async (status: ExitStatus) => {
    const code = exitCode(status);
    if (code === 0) return;
    const log = await tail(vm);
    context.note(`${context.style.yellow("note:")} the tools were not installed (code ${code}):\n${log}`);
  };
  if (options.background) {
    const script = `exec >${LOG} 2>&1; ${install}`;
    const kept = { cwd: folder, label: "bootstrap", onDisconnect: "keep" } as const;
    const run = vm.exec(["/bin/sh", "-lc", script], kept);
    await run.started;
    return async (isKept) => {
      // A VM that is gone by now tells nothing.
      const ended = await Promise.race([run.exited, null]).catch(() => undefined);
      run.close();
      if (ended) await tellFailure(ended);
      else if (ended === null && isKept) note("the tools are still being installed");
    };
  }
  const file = "$(mktemp)";
  const script = `s=${file}; { ${install}; echo $? >"$s"; } 2>&1 | tee ${LOG}; exit "$(cat "$s")"`;
  const run = vm.exec(["/bin/sh", "-lc", script], { cwd: folder, label: "bootstrap" });
  run.stderr.resume();
  const shown = options.quiet ? run.stdout.resume() : drain(run.stdout, context.stderr, "standard error");
  const [status] = await Promise.all([run.exited, shown]);
  await tellFailure(status);
  return told;
}

async function hasMise(vm: Sandbox): Promise<boolean> {
  const { exitCode } = await vm.exec(["/bin/sh", "-lc", `${MISE_PATH}; command -v mise`]);
  return exitCode === 0;
}

async function tail(vm: Sandbox): Promise<string> {
  const text = await vm.files.readText(LOG).catch(() => "");
  return clean(text.trimEnd().split("\n").slice(-TAIL_LINES).join("\n"), 4096);
}
