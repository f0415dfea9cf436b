/** The options that say how a command runs in a guest, shared by `run` and `exec`. */
import { parseDuration } from "../../core/units.ts";
import { flag, parsed, text } from "../command.ts";
import { parseDetachKeys } from "../terminal/detach-keys.ts";
import { environmentOptions } from "./environment.ts";

export const commandOptions = {
  ...environmentOptions,
  user: text("-u, --user <user>", "run as this user of the guest (name or uid[:gid])"),
  cwd: text("-w, --cwd <folder>", "start in this folder of the guest"),
  tty: flag("-t, --tty", "run it on a terminal; a shell has one whenever its input is one"),
  // The default, for fingers that type -it and to take back a --no-stdin: the last of the two counts.
  stdin: flag("-i, --stdin", "give it this standard input (the default)"),
  noStdin: flag("--no-stdin", "give it no input"),
  timeout: parsed("--timeout <time>", "stop the command after this time (90s, 15m): code 124", (value) =>
    parseDuration(value, "--timeout"),
  ),
  detachKeys: parsed(
    "--detach-keys <keys>",
    "let it outlive this client, and leave it with these keys (ctrl-p,ctrl-q); vm attach comes back",
    parseDetachKeys,
  ),
};
