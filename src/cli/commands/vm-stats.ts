import { setTimeout as delay } from "node:timers/promises";
import { type Banger, BangerError, type Sandbox, type VmStats } from "../../sdk/index.ts";
import { define, flag, json } from "../command.ts";
import type { Context } from "../context.ts";
import { type Figures, figuresOf, figuresTable } from "../figures.ts";
import { problem } from "../terminal/problem.ts";
import { RedrawnBlock } from "../terminal/redrawn-block.ts";

/** Between the two samples of a single look. */
const SAMPLE_MS = 1000;

interface Answer {
  readonly figures: readonly Figures[];
  readonly failed: boolean;
}

export default define({
  name: "vm stats",
  summary: "what VMs use: processor, memory, disk, network",
  arguments: "[vm...]",
  options: {
    watch: flag("-w, --watch", "go on until Ctrl-C, every stats_interval (config.toml)"),
    json,
  },
  examples: [
    ["banger vm stats", "all that run"],
    ["banger vm stats box --json", "one, for programs"],
    ["banger vm stats --watch", "refreshed in place"],
  ],
  handler: async ({ args, options }, context): Promise<Answer> => {
    if (options.watch && options.json) {
      throw BangerError.of("invalid_argument", {
        what: "vm stats",
        problem: "--json prints one document, so it cannot --watch",
        accepted: "leave out one of them",
      });
    }
    const banger = await context.connect();
    const names = [...new Set(args)];
    if (options.watch) return watch(banger, names, context);
    const first = await sample(banger, names);
    await delay(first.stats.size > 0 ? SAMPLE_MS : 0);
    const second = await sample(banger, names);
    for (const error of second.errors) context.stderr.write(problem(error, context.style));
    return { figures: figuresOfAll(second, first), failed: second.errors.length > 0 };
  },
  render: ({ figures }) => (figures.length > 0 ? figuresTable(figures) : ""),
  json: ({ figures }) => figures,
  exitCode: ({ failed }) => (failed ? 1 : 0),
});

interface Sample {
  /** In the order of the names, or of the list. */
  readonly stats: ReadonlyMap<string, { readonly vm: Sandbox; readonly stats: VmStats }>;
  readonly errors: readonly BangerError[];
}

/** Asks the VMs named, or without names all that run. One that stops in between is left out then. */
async function sample(banger: Banger, names: readonly string[]): Promise<Sample> {
  const running = async () => (await banger.list()).filter((vm) => vm.state === "running");
  const wanted: readonly (Sandbox | string)[] = names.length > 0 ? names : await running();
  const answers = await Promise.allSettled(
    wanted.map(async (one) => {
      const vm = typeof one === "string" ? await banger.get(one) : one;
      return { vm, stats: await vm.stats() };
    }),
  );
  const found = answers.filter((answer) => answer.status === "fulfilled").map((answer) => answer.value);
  const errors = answers.filter((answer) => answer.status === "rejected").map((answer) => answer.reason);
  return {
    stats: new Map(found.map((one) => [one.vm.id, one])),
    errors: names.length > 0 ? errors.filter((error) => error instanceof BangerError) : [],
  };
}

const figuresOfAll = (now: Sample, before: Sample): Figures[] =>
  [...now.stats.values()].map(({ vm, stats }) => figuresOf(vm, stats, before.stats.get(vm.id)?.stats));

/** Shows them again and again until Ctrl-C, or until none of those named answers any more. */
async function watch(banger: Banger, names: readonly string[], context: Context): Promise<Answer> {
  const interval = await statsInterval();
  const stop = new AbortController();
  const block = new RedrawnBlock(context.stdout);
  const look = async () => {
    let before = await sample(banger, names);
    while (!stop.signal.aborted) {
      await delay(interval, undefined, { signal: stop.signal }).catch(() => {});
      if (stop.signal.aborted) break;
      const now = await sample(banger, names);
      if (names.length > 0 && now.stats.size === 0) throw now.errors[0];
      block.draw(figuresTable(figuresOfAll(now, before)));
      before = now;
    }
  };
  await context.interrupts.during(() => stop.abort(), look);
  return { figures: [], failed: false };
}

async function statsInterval(): Promise<number> {
  const [{ readConfig }, { resolvePaths }] = await Promise.all([
    import("../../host/config-file.ts"), // with the schemas: only where they are needed
    import("../../host/paths.ts"),
  ]);
  return (await readConfig(resolvePaths())).stats_interval;
}
