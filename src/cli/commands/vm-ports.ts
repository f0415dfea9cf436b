import { formatAddress } from "../../core/port-mapping.ts";
import type { VmPorts } from "../../sdk/index.ts";
import { define, json } from "../command.ts";
import { portText } from "../terminal/ports.ts";
import { table } from "../terminal/table.ts";

export default define({
  name: "vm ports",
  summary: "what listens in a VM, and which ports lead there",
  arguments: "<vm>",
  options: { json },
  examples: [["banger vm ports box", "sockets of the guest with their processes, and published ports"]],
  handler: async ({ args: [ref = ""] }, context) => (await (await context.connect()).get(ref)).ports(),
  render: renderPorts,
});

/** One line per listening socket; published ports on which nothing listens in the guest follow. */
function renderPorts({ listening, published }: VmPorts): string {
  const rows = listening.map(({ protocol, address, port, process, pid }) => {
    const leads = protocol === "tcp" ? published.filter((p) => p.guest_port === port) : [];
    return [
      protocol,
      `${formatAddress(address)}:${port}`,
      named(process, pid),
      leads.map(portText).join(", ") || "-",
    ];
  });
  const idle = published
    .filter((p) => !listening.some((l) => l.protocol === "tcp" && l.port === p.guest_port))
    .map((p) => ["tcp", `:${p.guest_port}`, "nobody listens", portText(p)]);
  return table(["PROTOCOL", "GUEST", "PROCESS", "PUBLISHED"], [...rows, ...idle]);
}

function named(process: string | null, pid: number | null): string {
  return process === null ? "-" : `${process}${pid === null ? "" : ` (${pid})`}`;
}
