import { EXIT } from "../../core/exit-codes.ts";
import { formatDuration, formatSize } from "../../core/units.ts";
import { type Banger, BangerError, type Copied, type CopyOptions } from "../../sdk/index.ts";
import { define, json, quiet } from "../command.ts";
import type { Context } from "../context.ts";
import { type CopyEnd, copyEnds } from "../options/copy-ends.ts";
import { drain } from "../terminal/flow.ts";
import { withProgress } from "../terminal/progress.ts";

/** More names of what was left out are only counted. */
const MAX_NAMED = 20;

export default define({
  name: "vm cp",
  summary: "copy files and trees into and out of a running VM",
  arguments: "<source> <target>",
  options: { quiet, json },
  examples: [
    ["banger vm cp ./site box:/srv", "a tree into /srv, as /srv/site"],
    ["banger vm cp ./site/. box:/srv", "what is in it, into /srv"],
    ["banger vm cp box:/var/log/syslog .", "a file out of the VM"],
    ["banger vm cp box:/etc/hosts other:/etc/hosts", "from one VM to another"],
    ["tar c . | banger vm cp - box:/srv", "an archive on standard input, unpacked into a folder"],
    ["banger vm cp box:/srv - | tar t", "an archive on standard output"],
  ],
  details: `Modes, times, symbolic and hard links and holes are kept. In a VM files belong to root, here to you,
without set-id bits. A folder is merged into one that is there; files are replaced.
A relative path in a VM starts at /root. Sockets and devices are left out and named.`,
  handler: async ({ args: [source = "", target = ""], options }, context): Promise<Result> => {
    const { from, to } = copyEnds(source, target);
    if (to.kind === "tar") {
      if (options.json) throw notOnStdout("--json", "leave it out: standard output is the archive");
      if (context.stdout.isTTY) throw notOnStdout("an archive on a terminal", "redirect standard output");
    }
    const banger = await context.connect();
    const left = new LeftOutNotes(context);
    const begun = performance.now();
    const copied = await withProgress(context, options.quiet, async ({ onEvent, signal }) => {
      onEvent?.({ type: "stage", name: "copying", detail: `${source} to ${target}` });
      return copy(banger, from, to, context, {
        ...(signal && { signal }),
        onLeftOut: left.take,
        onProgress: ({ bytes }, total) =>
          onEvent?.({
            type: "progress",
            progress: { done: bytes, unit: "bytes", ...(total !== undefined && { total }) },
          }),
      });
    });
    if (copied && !options.quiet) context.note(summary(copied, performance.now() - begun));
    return { copied, code: left.finish() };
  },
  render: () => "",
  json: ({ copied }) => copied ?? undefined,
  exitCode: ({ code }) => code,
});

interface Result {
  /** Null when standard output took an archive. */
  readonly copied: Copied | null;
  readonly code: number;
}

function summary({ entries, bytes }: Copied, ms: number): string {
  const things = entries === 1 ? "1 entry" : `${entries} entries`;
  return `copied ${things}, ${formatSize(bytes)}, in ${formatDuration(ms)}`;
}

/** Names what is not copied while everything else is. */
class LeftOutNotes {
  readonly #context: Context;
  #count = 0;
  #failed = false;

  constructor(context: Context) {
    this.#context = context;
  }

  readonly take: NonNullable<CopyOptions["onLeftOut"]> = ({ path, why, failed }) => {
    this.#count++;
    this.#failed ||= failed;
    if (this.#count <= MAX_NAMED) this.#note(`${path} was left out: ${why}`);
  };

  /** The exit code: as with cp, not 0 when something could not be read. */
  finish(): number {
    if (this.#count > MAX_NAMED) this.#note(`${this.#count - MAX_NAMED} more were left out`);
    return this.#failed ? EXIT.failure : EXIT.ok;
  }

  #note(text: string): void {
    this.#context.note(`${this.#context.style.yellow("note:")} ${text}`);
  }
}

const notOnStdout = (problem: string, accepted: string) =>
  BangerError.of("invalid_argument", { what: "vm cp", problem, accepted });

async function copy(
  banger: Banger,
  from: CopyEnd,
  to: CopyEnd,
  context: Context,
  options: CopyOptions,
): Promise<Copied | null> {
  const vm = async (end: CopyEnd & { kind: "guest" }) => banger.get(end.vm);
  if (from.kind === "guest" && to.kind === "guest")
    return (await vm(from)).copyTo(from.path, await vm(to), to.path, options);
  if (from.kind === "host" && to.kind === "guest") return (await vm(to)).copyIn(from.path, to.path, options);
  if (from.kind === "guest" && to.kind === "host")
    return (await vm(from)).copyOut(from.path, to.path, options);
  if (from.kind === "guest") {
    const archive = await (await vm(from)).packOut(from.path, options);
    await drain(archive, context.stdout, "standard output");
    return null;
  }
  if (to.kind === "guest") return (await vm(to)).unpackIn(context.stdin, to.path, options);
  throw new Error("no end in a VM");
}
