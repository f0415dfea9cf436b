/** Routes of images beyond the store's list: what one is made of. */
import * as s from "../schemas/images.ts";
import type { Route } from "./route.ts";

export const imagesRoutes = {
  getImage: {
    method: "GET",
    path: "/v1/images/:image",
    summary: "One image by name, digest or unique beginning of its digest",
    reply: s.imageDetails,
    status: 200,
  },
} as const satisfies Record<string, Route>;
