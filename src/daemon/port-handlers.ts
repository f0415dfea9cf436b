/** Routes of ports in a guest. */
import { type Listener, listListeners } from "../guest/index.ts";
import type { VmContext } from "../vm/context.ts";
import { serveConnection } from "./connect-socket.ts";
import { describePorts } from "./describe-vm.ts";
import type { Handlers } from "./server.ts";
import type { VmService } from "./vm-service.ts";

export function portHandlers(context: VmContext, vms: VmService): Pick<Handlers, "getPorts" | "connectPort"> {
  return {
    getPorts: async ({ params }) => {
      const vm = vms.find(params.vm ?? "");
      const listeners = await listListeners(await vms.guest(vm.id));
      // The guest's kernel lists them in the order of a hash.
      const listening = listeners
        .map(describeListener)
        .sort((a, b) => a.port - b.port || (a.address < b.address ? -1 : 1));
      return { listening, published: describePorts(context, vm) };
    },
    connectPort: (socket, { vm = "", port = "" }) => serveConnection(socket, port, () => vms.guest(vm)),
  };
}

function describeListener({ protocol, address, port, pid, process }: Listener) {
  return {
    protocol: protocol.startsWith("udp") ? ("udp" as const) : ("tcp" as const),
    address,
    port,
    pid: pid || null,
    process: process || null,
  };
}
