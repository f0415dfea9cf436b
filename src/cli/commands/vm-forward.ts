import { checkDistinct, parsePortMapping } from "../../core/port-mapping.ts";
import { BangerError, type Forward, type Sandbox } from "../../sdk/index.ts";
import { define, json } from "../command.ts";
import type { Context } from "../context.ts";
import { Interrupted } from "../exit.ts";
import { forwardText } from "../terminal/ports.ts";
import { problem } from "../terminal/problem.ts";

export default define({
  name: "vm forward",
  summary: "ports of this host that lead into a VM while the command runs",
  arguments: "<vm> <ports...>",
  options: { json },
  examples: [
    ["banger vm forward box 8080:80", "until Ctrl-C, http://localhost:8080 is port 80 of the guest"],
    ["banger vm forward box 5432 :6379", "free ports here for two services of the guest; prints which"],
    ["banger vm forward box 0.0.0.0:8080:80", "for other machines too"],
  ],
  details: `Ports are [address:][host:]guest, TCP; on both loopback addresses unless one is given.
'banger vm run --publish' makes ports that last as long as the VM.`,
  handler: async ({ args: [ref = "", ...texts], options }, context): Promise<void> => {
    const mappings = texts.map((text) => parsePortMapping(text, "vm forward"));
    checkDistinct(mappings, "vm forward");
    const vm = await (await context.connect()).get(ref);
    if (vm.state !== "running") throw notRunning(vm);
    const forwards: Forward[] = [];
    try {
      for (const mapping of mappings) forwards.push(await vm.forward({ ...mapping, onError: tell(context) }));
      const opened = forwards.map((forward) => forward.mapping);
      context.stdout.write(
        options.json
          ? `${JSON.stringify(opened.map(({ address, hostPort, guestPort }) => ({ address, host_port: hostPort, guest_port: guestPort })))}\n`
          : opened.map((mapping) => `${forwardText(mapping, vm.name)}\n`).join(""),
      );
      await interrupted(context);
    } finally {
      for (const forward of forwards) forward.close();
    }
  },
  json: () => undefined, // printed when the ports are open, not when they are closed
});

function notRunning({ name, state }: Sandbox): BangerError {
  const hint = `banger vm start ${name}`;
  return BangerError.of("vm_wrong_state", { name, state, wanted: "running", hint });
}

const tell = (context: Context) => (error: BangerError) =>
  void context.stderr.write(problem(error, context.style));

/** Waits for Ctrl-C or another signal. @throws Interrupted */
function interrupted(context: Context): Promise<never> {
  const signal = Promise.withResolvers<never>();
  return context.interrupts.during(
    (name) => signal.reject(new Interrupted(name)),
    () => signal.promise,
  );
}
