import { effectiveValues } from "../../core/effective-config.ts";
import { clean } from "../../core/errors.ts";
import { readConfigFile } from "../../host/config-file.ts";
import { resolvePaths } from "../../host/paths.ts";
import { vmDefaults } from "../../host/vm-defaults.ts";
import { define, json } from "../command.ts";
import { table } from "../terminal/table.ts";

export default define({
  name: "config show",
  summary: "every setting in effect, and where it comes from",
  options: { json },
  examples: [
    ["banger config show", "from: a line of config.toml, auto (what this host has), or builtin"],
    ["banger config show --json", "for programs"],
  ],
  handler: async () => {
    const { file, exists, written, text, config } = await readConfigFile(resolvePaths());
    return { file, exists, values: effectiveValues(written, text, config, vmDefaults(config)) };
  },
  render: ({ file, exists, values }, { style }) => {
    const rows = values.map(({ key, value, from, line }) => [
      key,
      value === null ? style.dim("not set") : clean(JSON.stringify(value)),
      from === "config" ? `line ${line ?? "?"}` : style.dim(from),
    ]);
    return `${file}${exists ? "" : " (does not exist; all keys have defaults)"}\n\n${table(["KEY", "VALUE", "FROM"], rows)}`;
  },
});
