/** What a handler may touch: streams, environment, the daemon, and the user's attention on stderr. */
import { VERSION } from "../core/version.ts";
import type { Banger, DaemonStatus } from "../sdk/index.ts";
import { Interrupts } from "./interrupts.ts";
import { ProgressView } from "./terminal/progress.ts";
import { makeStyle, type Style, wantsColour } from "./terminal/view.ts";

export interface Context {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: NodeJS.ProcessEnv;
  /** For what goes to stderr. */
  readonly style: Style;
  readonly interrupts: Interrupts;
  /** Connects to the daemon, once; starts it unless told otherwise. */
  connect(options?: { readonly autostart?: boolean }): Promise<Banger>;
  /** What the daemon said about itself when we connected. */
  status(): Promise<DaemonStatus>;
  /** One line on stderr. */
  note(text: string): void;
  /** Shows operations on stderr; silent when `quiet`. */
  progress(quiet: boolean): ProgressView;
}

const nowhere = { write: () => true };

export function makeContext(): Context {
  const { stderr, env } = process;
  const style = makeStyle(wantsColour(stderr, env));
  const note = (text: string) => void stderr.write(`${text}\n`);
  let banger: Promise<Banger> | undefined;
  let status: Promise<DaemonStatus> | undefined;
  const connect: Context["connect"] = (options = {}) => {
    banger ??= open(options);
    return banger;
  };
  const open = async (options: { readonly autostart?: boolean }) => {
    const { Banger } = await import("../sdk/index.ts");
    const client = await Banger.connect(options);
    // Nobody waits for this answer; it comes while the command's own request is under way.
    status = client.status();
    status.then(
      (daemon) => {
        if (daemon.version !== VERSION) note(skewNotice(daemon.version, style));
      },
      () => {},
    );
    return client;
  };
  return {
    get stdin() {
      return process.stdin;
    },
    get stdout() {
      return process.stdout;
    },
    stderr,
    env,
    style,
    interrupts: new Interrupts(),
    connect,
    status: async () => {
      const client = await connect();
      return status ?? client.status();
    },
    note,
    progress: (quiet) => new ProgressView(quiet ? nowhere : stderr, style),
  };
}

function skewNotice(daemon: string, style: Style): string {
  return `${style.yellow("note:")} the daemon is banger ${daemon}, this is ${VERSION}; 'banger daemon restart' brings it up to date (VMs run on)`;
}
