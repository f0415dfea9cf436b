/** The doctor's row about the daemon: whether it runs, answers, and is of this version. Never starts it. */
import { asBangerError } from "../core/errors.ts";
import { formatDuration } from "../core/units.ts";
import { VERSION } from "../core/version.ts";
import { fail, pass, type Row, warn } from "../doctor/row.ts";
import type { DaemonStatus } from "../sdk/index.ts";

const NOBODY_LISTENS = ["ENOENT", "ECONNREFUSED"];

type Client = Disposable & { status(): Promise<Pick<DaemonStatus, "pid" | "uptime_ms" | "version">> };

/** @param connect connects to the daemon without starting it */
export async function checkDaemon(connect: () => Promise<Client> = connectRunning): Promise<Row> {
  try {
    using client = await connect();
    const { pid, uptime_ms, version } = await client.status();
    const running = `running (pid ${pid}, for ${formatDuration(uptime_ms)})`;
    return version === VERSION
      ? pass("daemon", running)
      : warn(
          "daemon",
          `${running}, but of banger ${version}; this is ${VERSION}`,
          "banger daemon restart (VMs run on)",
        );
  } catch (error) {
    const { message, hint, cause } = asBangerError(error);
    const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? "";
    return NOBODY_LISTENS.includes(code)
      ? pass("daemon", "not running; commands that need it start it")
      : fail("daemon", message, hint);
  }
}

async function connectRunning(): Promise<Client> {
  const { Banger } = await import("../sdk/index.ts");
  return Banger.connect({ autostart: false });
}
