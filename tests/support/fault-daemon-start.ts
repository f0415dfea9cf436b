/** Starts the daemon with faults and ends: for who has to start it somewhere else than where it runs itself. */
import { fileURLToPath } from "node:url";
import { startDaemon } from "../../src/host/daemon-process.ts";
import { resolvePaths } from "../../src/host/paths.ts";

const entry = fileURLToPath(new URL("./fault-daemon.ts", import.meta.url));
await startDaemon(resolvePaths(process.env), { entry, env: process.env });
