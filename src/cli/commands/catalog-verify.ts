import { resolve } from "node:path";
import { BangerError } from "../../core/errors.ts";
import { define, json, quiet, text } from "../command.ts";
import { problem } from "../terminal/problem.ts";
import { withProgress } from "../terminal/progress.ts";
import { table } from "../terminal/table.ts";

export default define({
  name: "catalog verify",
  summary: "check a catalog and every bundle of it",
  arguments: "<path>",
  options: { key: text("--key <file>", "the public key that must have signed it"), quiet, json },
  examples: [
    ["banger catalog verify ./published --key team.key.pub", "before it is uploaded"],
    ["banger catalog verify https://images.example/catalog.json --key team.key.pub", "as everybody gets it"],
  ],
  handler: async ({ args: [target = ""], options: { key, quiet: still } }, context) => {
    if (key === undefined) {
      throw BangerError.of("invalid_argument", {
        what: "--key",
        problem: "it is needed",
        accepted: "--key FILE names the public key of the catalog's publisher",
      });
    }
    const place = /^https?:\/\//.test(target) ? target : resolve(target);
    const { catalogs } = await context.connect();
    const verified = await withProgress(context, still, (following) =>
      catalogs.verify(place, resolve(key), following),
    );
    for (const { problem: error } of verified.entries) {
      if (error) context.stderr.write(problem(BangerError.fromBody(error), context.style));
    }
    return verified;
  },
  render: ({ serial, entries }) =>
    `the signature is good (serial ${serial})\n${table(
      ["KIND", "NAME", "ARCH", "BUNDLE"],
      entries.map(({ kind, name, arch, problem: error }) => [kind, name, arch, error?.code ?? "good"]),
    )}`,
  exitCode: ({ entries }) => (entries.some((entry) => entry.problem) ? 1 : 0),
});
