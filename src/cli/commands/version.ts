import { VERSION } from "../../core/version.ts";
import { define, json } from "../command.ts";
import { daemonReport } from "./daemon-status.ts";

export default define({
  name: "version",
  summary: "versions of client and daemon",
  options: { json },
  examples: [["banger version --json", "for bug reports"]],
  handler: async (_input, context) => {
    const daemon = await daemonReport(context);
    return { client: VERSION, node: process.version, daemon: daemon.running ? daemon.version : null };
  },
  render: ({ client, node, daemon }) =>
    `banger ${client} (Node ${node})\ndaemon ${daemon ?? "not running"}\n`,
});
