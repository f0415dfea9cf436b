import { BangerError } from "../../core/errors.ts";
import { account } from "../../host/account.ts";
import { homeFolder, resolvePaths } from "../../host/paths.ts";
import { sshConfigFile } from "../../host/ssh-config.ts";
import {
  type IncludeState,
  includeLine,
  includeState,
  installInclude,
  uninstallInclude,
  userSshConfig,
} from "../../host/ssh-include.ts";
import { define, flag, json } from "../command.ts";
import { fields } from "../terminal/table.ts";

export interface SshConfigReport {
  /** banger's own configuration. */
  readonly path: string;
  /** The line that includes it. */
  readonly include: string;
  /** The user's configuration, and whether it has the line. */
  readonly user_config: string;
  readonly state: IncludeState;
  /** What this command did. */
  readonly changed: boolean;
}

export default define({
  name: "ssh-config",
  summary: "makes plain ssh, scp, rsync and git reach VMs by name",
  options: {
    install: flag("--install", "put one Include line into ~/.ssh/config"),
    uninstall: flag("--uninstall", "take it out again"),
    json,
  },
  examples: [
    ["banger ssh-config", "where banger's ssh configuration is, and how to use it; changes nothing"],
    ["banger ssh-config --install && ssh box.vm", "from then on every VM is NAME.vm to ssh"],
    ["banger ssh-config --uninstall", "takes the line out; every other byte of the file stays"],
  ],
  handler: async ({ options }, context): Promise<SshConfigReport> => {
    if (options.install && options.uninstall) {
      throw BangerError.of("invalid_argument", {
        what: "ssh-config",
        problem: "--install and --uninstall exclude each other",
        accepted: "give one of them",
      });
    }
    const path = sshConfigFile(resolvePaths(context.env));
    const home = homeFolder(context.env);
    let changed = false;
    if (options.uninstall) {
      changed = await uninstallInclude(home);
    } else {
      await context.connect(); // the daemon writes the file, and keeps it current
      if (options.install) changed = await installInclude(home, path);
    }
    const user = account();
    const note = (text: string) => context.note(`${context.style.yellow("note:")} ${text}`);
    if (!user) note("ssh serves only users that have a name on this host, and you have none");
    else if (user.home !== home) note(`ssh reads ${userSshConfig(user.home)}, whatever HOME says`);
    return {
      path,
      include: includeLine(path),
      user_config: userSshConfig(home),
      state: await includeState(home, path),
      changed,
    };
  },
  render: (report, { style }) => {
    const { path, include, user_config, state, changed } = report;
    if (changed) return `${user_config}: ${state === "absent" ? "taken out" : "put in"}: ${include}\n`;
    const there = {
      present: style.green("included"),
      absent: `${style.yellow("not included")}: banger ssh-config --install, or put the line at its top`,
      other: `${style.yellow("includes another banger's")}: banger ssh-config --install`,
    }[state];
    const use =
      state === "present" ? "ssh NAME.vm, scp, sftp, rsync, git" : `ssh -F ${path} NAME.vm, also without it`;
    return fields([
      ["config", path],
      ["include", include],
      [user_config, there],
      ["use", use],
    ]);
  },
});
