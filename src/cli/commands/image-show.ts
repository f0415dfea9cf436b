import { formatSize } from "../../core/units.ts";
import type { ImageDetails } from "../../sdk/index.ts";
import { define, json } from "../command.ts";
import { fields } from "../terminal/table.ts";
import { since, type View } from "../terminal/view.ts";

export default define({
  name: "image show",
  summary: "everything known about one image",
  arguments: "<image>",
  options: { json },
  examples: [["banger image show python:3.12-slim", "where it is from and what it runs"]],
  handler: async ({ args: [ref = ""] }, context) => (await context.connect()).images.get(ref),
  render: renderImage,
});

function renderImage(image: ImageDetails, { style, now }: View): string {
  return fields([
    ["name", style.bold(image.name)],
    ["digest", image.digest],
    ["from", image.description],
    ["file", image.file],
    ["origin", image.origin || null],
    ["size", image.size_bytes === null ? null : formatSize(image.size_bytes)],
    ["age", since(image.created_at, now)],
    ["user", image.user || "root"],
    ["directory", image.working_directory || null],
    ["entrypoint", words(image.entrypoint)],
    ["command", words(image.command)],
    ["environment", words(Object.entries(image.env).map(([name, value]) => `${name}=${value}`))],
    ["used by", image.used_by.join(", ") || null],
  ]);
}

const words = (list: readonly string[]) => (list.length > 0 ? JSON.stringify(list) : null);
