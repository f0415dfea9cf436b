import { define, json } from "../command.ts";
import type { DaemonReport } from "./daemon-status.ts";
import { renderDaemon } from "./daemon-status.ts";

export default define({
  name: "daemon start",
  summary: "start the daemon (other commands do it when they need it)",
  options: { json },
  examples: [["banger daemon start", "start it, or tell that it runs"]],
  handler: async (_input, context): Promise<DaemonReport> => ({ running: true, ...(await context.status()) }),
  render: renderDaemon,
});
