/** Starts the daemon with faults and ends, with the error on standard output when it did not start: for who has to start it elsewhere. */
import { fileURLToPath } from "node:url";
import { asBangerError } from "../../src/core/errors.ts";
import { startDaemon } from "../../src/host/daemon-process.ts";
import { resolvePaths } from "../../src/host/paths.ts";

const entry = fileURLToPath(new URL("./fault-daemon.ts", import.meta.url));
try {
  await startDaemon(resolvePaths(process.env), { entry, env: process.env });
} catch (error) {
  process.stdout.write(JSON.stringify(asBangerError(error).toBody()));
  process.exitCode = 1;
}
