/** What a command says that is run by the agent behind a machine's vsock device. */
import { text } from "node:stream/consumers";
import { openGuest, startProcess } from "../../../src/guest/index.ts";
import type { Machine } from "../../../src/vmm/driver.ts";

export async function says(machine: Pick<Machine, "connectAgent">, script: string): Promise<string> {
  const session = await openGuest(await machine.connectAgent(), { timeoutMs: 20_000 });
  const process = await startProcess(session, { argv: ["/bin/sh", "-c", script] });
  const said = await text(process.stdout);
  session.close();
  return said;
}
