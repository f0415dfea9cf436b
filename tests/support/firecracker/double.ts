/**
 * A program that behaves like Firecracker as far as its published API description goes, for tests: it refuses what is not
 * described, or comes at the wrong time, in Firecracker's manner; does what a plan says to go wrong; records every call.
 * `double.ts PLAN …Firecracker's own arguments…`
 */

import { once } from "node:events";
import { appendFileSync, createWriteStream, existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ApiDouble } from "./api-double.ts";
import { readDescription } from "./description.ts";
import { CALLS_FILE, type Plan } from "./plan.ts";

const [plan, ...args] = [
  JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Plan,
  ...process.argv.slice(3),
];
const { values } = parseArgs({
  args,
  options: {
    version: { type: "boolean" },
    "api-sock": { type: "string" },
    id: { type: "string" },
    level: { type: "string" },
    "log-path": { type: "string" },
    // A jailer's.
    "start-time-us": { type: "string" },
    "start-time-cpu-us": { type: "string" },
    "parent-cpu-time-us": { type: "string" },
  },
});

if (values.version) {
  console.log(`Firecracker v${plan.version}\n\nSupported snapshot data format versions: 1.0.0`);
  process.exit(0);
}
if (!/^[a-zA-Z0-9-]{1,64}$/.test(values.id ?? "anonymous-instance")) fail("Invalid instance ID");
if (!values["api-sock"]) fail("no --api-sock");
if (existsSync(values["api-sock"])) fail("Failed to open the API socket: Address in use");
if (plan.dieAt === "start") fail("the double dies at the start");

// The first process of its namespace, which has no handler for them: it does not get them.
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => {});

const log = createWriteStream(values["log-path"] ?? "/dev/null", { flags: "r+" });
await once(log, "open"); // before there is a socket, as Firecracker does
const say = (text: string) => void log.write(`${new Date().toISOString()} [${values.id}:main] ${text}\n`);
const end = (code: number, why: string): never => {
  api.endGuest();
  say(why);
  log.end(() => process.exit(code));
  throw new Error(why); // nothing of this turn goes on
};
process.on("uncaughtException", (error) => {
  if (log.writableEnded) return;
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});

const api = new ApiDouble({
  id: values.id ?? "anonymous-instance",
  plan,
  description: await readDescription(plan.description),
  record: (call) => appendFileSync(CALLS_FILE, `${JSON.stringify(call)}\n`, { mode: 0o600 }),
  console: (chunk) => void process.stdout.write(chunk),
  die: () => process.exit(9),
  onReset: () => end(0, "Vmm is stopping."),
});
if (!plan.mute) api.listen(values["api-sock"]);
else setInterval(() => {}, 1 << 30);
if (plan.dieAt === "listening") setImmediate(() => process.exit(9));

function fail(why: string): never {
  process.stderr.write(`Error: ${why}\n`);
  process.exit(1);
}
