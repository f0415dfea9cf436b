/** The host's ssh, in the place of this process: signals, job control and its escape keys are then its own. */
import { BangerError } from "../../core/errors.ts";
import { account } from "../../host/account.ts";
import { becomeProgram } from "../../host/become.ts";
import { forgetHosts, knownKeys } from "../../host/known-hosts.ts";
import { resolvePaths } from "../../host/paths.ts";
import { HOST_SUFFIX, sshConfigFile } from "../../host/ssh-config.ts";
import { findTool } from "../../host/tools.ts";
import type { Sandbox } from "../../sdk/index.ts";
import type { Context } from "../context.ts";

const HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub";

interface SshOptions {
  readonly tty: boolean;
  readonly newHostKey: boolean;
}

/**
 * Becomes ssh into the VM. Returns only where there is no ssh on this host, or none for this user.
 * @throws ssh_host_key_changed
 */
export async function becomeSsh(
  context: Context,
  vm: Sandbox,
  command: readonly string[] | undefined,
  { tty, newHostKey }: SshOptions,
): Promise<void> {
  const ssh = await findTool("ssh");
  if (!ssh || !account()) return;
  const paths = resolvePaths(context.env);
  if (newHostKey) await forgetHosts(paths, (host) => host !== vm.id);
  else await refuseChangedKey(vm, await knownKeys(paths, vm.id));
  becomeProgram(ssh, [
    ...["-F", sshConfigFile(paths)],
    ...["-o", `HostKeyAlias=${vm.id}`], // whatever the file says by now
    ...["-o", "LogLevel=ERROR"], // the first key of a VM that was just made is no news
    ...(tty ? ["-tt"] : []), // twice: also when our own input is no terminal
    `${vm.name}${HOST_SUFFIX}`,
    ...(command ? ["--", ...command] : []),
  ]);
}

/** ssh refuses it too, but does not tell what to type. What the guest says here is not trusted: ssh has the last word. */
async function refuseChangedKey(vm: Sandbox, known: readonly string[]): Promise<void> {
  const before = known.find((key) => key.startsWith("ssh-ed25519 "));
  if (!before) return;
  const line = await vm.files.readText(HOST_KEY, { limit: 4096 }).catch(() => before);
  const now = line.trim().split(/\s+/).slice(0, 2).join(" ");
  if (now !== before) throw BangerError.of("ssh_host_key_changed", { name: vm.name });
}
