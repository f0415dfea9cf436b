import type { BangerError, ImageDetails, Images } from "../../sdk/index.ts";
import { define } from "../command.ts";
import { pull, pullOptions, renderPulled } from "../pull.ts";

export default define({
  name: "image pull",
  summary: "obtain an image",
  arguments: "<name>",
  options: pullOptions,
  examples: [
    ["banger image pull debian-slim", "before the first VM needs it"],
    ["banger image pull python:3.12-slim", "from Docker Hub; again only when the tag has moved"],
    [
      "banger image pull ghcr.io/org/app@sha256:…",
      "exactly this one; private ones with docker's or podman's login",
    ],
  ],
  handler: ({ args: [name = ""], options }, context) =>
    pull(
      context,
      ({ images }) => ({ store: images, find: (wanted) => findImage(images, wanted) }),
      name,
      options,
    ),
  render: renderPulled,
  json: ({ entry }) => entry,
});

/** What a name stands for can be written in several ways, and need not be the newest image that had it. */
function findImage(images: Images, name: string): Promise<ImageDetails | undefined> {
  return images.get(name).catch((error: BangerError) => {
    if (error.code === "image_not_found") return undefined;
    throw error;
  });
}
