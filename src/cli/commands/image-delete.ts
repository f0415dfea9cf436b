import { asBangerError } from "../../core/errors.ts";
import { define } from "../command.ts";
import { problem } from "../terminal/problem.ts";

export default define({
  name: "image delete",
  summary: "delete images that no VM uses",
  arguments: "<image...>",
  options: {},
  examples: [["banger image delete python:3.12-slim", "of several names of one image only this one goes"]],
  handler: async ({ args }, context) => {
    const { images } = await context.connect();
    const gone: string[] = [];
    const wanted = [...new Set(args)];
    // One after the other: two names may be those of one image.
    for (const ref of wanted) {
      await images.delete(ref).then(
        () => gone.push(ref),
        (error: unknown) => context.stderr.write(problem(asBangerError(error), context.style)),
      );
    }
    return { gone, ok: gone.length === wanted.length };
  },
  render: ({ gone }) => gone.map((ref) => `${ref} deleted\n`).join(""),
  exitCode: ({ ok }) => (ok ? 0 : 1),
});
