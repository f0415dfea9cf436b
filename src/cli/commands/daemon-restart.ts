import { Banger } from "../../sdk/index.ts";
import { define, json } from "../command.ts";
import { type DaemonReport, renderDaemon } from "./daemon-status.ts";
import { stopDaemon } from "./daemon-stop.ts";

export default define({
  name: "daemon restart",
  summary: "end the daemon and start it anew; VMs run on",
  options: { json },
  examples: [["banger daemon restart", "after an update of banger"]],
  handler: async (_input, context): Promise<DaemonReport> => {
    await stopDaemon(context);
    using banger = await Banger.connect();
    return { running: true, ...(await banger.status()) };
  },
  render: renderDaemon,
});
