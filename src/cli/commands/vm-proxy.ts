import { parsePort } from "../../core/port.ts";
import { define } from "../command.ts";
import { vmOfHost } from "../ssh/host-name.ts";
import { connectWhenUp } from "../ssh/server.ts";
import { carry } from "../terminal/relay.ts";

const SSH_PORT = "22";

export default define({
  name: "vm proxy",
  summary: "standard input and output to a TCP port of a VM",
  arguments: "<vm> [port]",
  options: {},
  examples: [
    ["ssh -o ProxyCommand='banger vm proxy %h %p' root@box.vm", "what banger's ssh configuration does"],
    ["printf 'GET / HTTP/1.0\\r\\n\\r\\n' | banger vm proxy box 80", "talk to a server in the guest"],
  ],
  details:
    "The port is 22 unless given. VM may also be a host name: NAME.vm. While the guest's system is still starting, a port\nwhere nothing listens yet is tried again once it has finished. Works without a network in the guest.",
  handler: async ({ args: [host = "", port = SSH_PORT] }, context) => {
    const number = parsePort(port, "port");
    const banger = await context.connect();
    await carry(context, await connectWhenUp(banger, vmOfHost(host), number));
  },
});
