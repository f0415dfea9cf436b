/** Whether ssh reaches VMs, by banger's own command and by its own name. */
import type { Config } from "../core/config.ts";
import { account } from "../host/account.ts";
import type { Paths } from "../host/paths.ts";
import { sshConfigFile } from "../host/ssh-config.ts";
import { includeState, userSshConfig } from "../host/ssh-include.ts";
import { sshPublicKey } from "../host/ssh-key.ts";
import { pass, type Row, warn } from "./row.ts";

const INSTALL = "banger ssh-config --install (banger vm ssh works without it)";

/** The Include that makes plain `ssh NAME.vm` work: never there unless it was asked for. @throws ssh_config_unusable */
export async function checkSshInclude(paths: Paths, home: string): Promise<Row> {
  const file = userSshConfig(home);
  switch (await includeState(home, sshConfigFile(paths))) {
    case "present":
      return pass("ssh include", `${file} includes banger's configuration`);
    case "other":
      return warn("ssh include", `${file} includes the configuration of another state folder`, INSTALL);
    case "absent":
      return warn("ssh include", `plain ssh NAME.vm does not reach VMs: ${file} has no Include`, INSTALL);
  }
}

/** The key that guests are given; banger's own is made when the first VM starts. @throws ssh_key_unusable */
export async function checkSshKey(paths: Paths, config: Config): Promise<Row> {
  const { ssh_key_path: configured } = config;
  if (!account())
    return warn(
      "ssh key",
      "ssh serves only users that have a name on this host, and you have none; banger vm ssh works without it",
      "ask for an entry in /etc/passwd for plain ssh",
    );
  if (configured === undefined) return pass("ssh key", "banger's own");
  return (await sshPublicKey(paths, configured))
    ? pass("ssh key", configured)
    : warn("ssh key", `${configured} cannot be read without ssh-keygen`, "banger doctor --fix");
}
