/**
 * banger's own ssh configuration: with it, or with an Include of it, plain `ssh NAME.vm` and everything that is built on
 * ssh reach the VMs over the agent, without a network. Made anew from the VMs that there are; nobody else writes it.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { privateDirectory, replaceFile } from "./files.ts";
import { knownHostsFile } from "./known-hosts.ts";
import { ownCommand } from "./own-command.ts";
import type { Paths } from "./paths.ts";
import { sshFolder, sshKeyFile } from "./ssh-key.ts";

/** The ending that makes a VM's name a host's name. */
export const HOST_SUFFIX = ".vm";

export const sshConfigFile = (paths: Paths) => join(sshFolder(paths), "config");

interface NamedVm {
  readonly id: string;
  readonly name: string;
}

interface SshConfigParts {
  readonly vms: readonly NamedVm[];
  readonly key: string;
  readonly knownHosts: string;
  /** The program and its arguments that lead to `vm proxy`. */
  readonly command: readonly string[];
}

/** Writes the file when it would say something else than it does. */
export async function writeSshConfig(
  paths: Paths,
  vms: readonly NamedVm[],
  configuredKey: string | undefined,
): Promise<void> {
  const text = renderSshConfig({
    vms,
    key: sshKeyFile(paths, configuredKey),
    knownHosts: knownHostsFile(paths),
    command: ownCommand(paths),
  });
  const file = sshConfigFile(paths);
  if ((await readFile(file, "utf8").catch(() => "")) === text) return;
  await privateDirectory(sshFolder(paths));
  await replaceFile(file, text); // each VM that comes or goes waits for this
}

/**
 * The text. Pure. Host keys are kept by the VM's id, so that a new name is the same host and a new VM of an old name is not.
 *
 * Names are put into a command line of the user's shell by ssh; older ones do not check what they put there. So the name
 * stands in quotes, and a name that holds a quote gets no command.
 *
 * The key exchange is the one that costs an emulated processor least, a quarter of a second less than OpenSSH's own
 * choice; what it protects never leaves this host.
 */
export function renderSshConfig({ vms, key, knownHosts, command }: SshConfigParts): string {
  const blocks = vms.map(
    ({ id, name }) => `Host ${name}${HOST_SUFFIX} ${id}${HOST_SUFFIX}\n  HostKeyAlias ${id}\n`,
  );
  const proxy = [...command, "vm", "proxy"].map((word) => shellQuote(percent(word))).join(" ");
  const common = `Host *${HOST_SUFFIX} "!*'*"
  User root
  ProxyCommand ${proxy} '%h' %p
  IdentityFile ${configQuote(percent(key))}
  IdentitiesOnly yes
  UserKnownHostsFile ${configQuote(percent(knownHosts))}
  GlobalKnownHostsFile none
  StrictHostKeyChecking accept-new
  HashKnownHosts no
  UpdateHostKeys no
  CheckHostIP no
  CanonicalizeHostname no
  KexAlgorithms ^curve25519-sha256
  SetEnv LANG=C.UTF-8
`;
  return `# Made by banger; what is changed here is lost. docs/ssh.md tells what it is for.\n\n${[...blocks, common].join("\n")}`;
}

const percent = (text: string) => text.replaceAll("%", "%%");

/** For the user's shell, whichever it is. */
const shellQuote = (word: string) =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** For ssh's own parser. */
export const configQuote = (word: string) => `"${word.replace(/["\\]/g, "\\$&")}"`;
