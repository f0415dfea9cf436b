import { configFile, resolvePaths } from "../../host/paths.ts";
import { define } from "../command.ts";

export default define({
  name: "config path",
  summary: "where config.toml is looked for",
  options: {},
  examples: [
    ['"$EDITOR" "$(banger config path)"', "edit it; the next VM that is made or started goes by it"],
  ],
  handler: async () => configFile(resolvePaths()),
  render: (path) => `${path}\n`,
});
