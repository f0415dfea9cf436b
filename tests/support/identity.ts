/** A guest as the one machine that it is. */
import type { Sandbox } from "../../src/sdk/index.ts";

/** What tells one machine from another. */
export async function identity(vm: Sandbox): Promise<string[]> {
  const { text } = await vm.exec([
    "sh",
    "-c",
    "cat /etc/machine-id; cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub; head -c 32 /dev/urandom | od -An -tx1 -w32; hostname",
  ]);
  return text.trim().split("\n");
}
