/** Routes of images beyond the store's list: what one is made of. */
import * as s from "../schemas/images.ts";
import { type Route, starts } from "./route.ts";

export const imagesRoutes = {
  getImage: {
    method: "GET",
    path: "/v1/images/{image}",
    summary: "One image by name, digest or unique beginning of its digest",
    reply: s.imageDetails,
    status: 200,
  },

  deleteImage: {
    method: "DELETE",
    path: "/v1/images/{image}",
    summary: "Forget a name; the image goes with its last one. Refused while VMs use it",
    reply: "empty",
    status: 204,
  },

  importImage: {
    method: "POST",
    path: "/v1/images/import",
    summary: "Make an image of a file or folder of this host; the operation's result tells its name",
    body: s.importImage,
    ...starts,
  },

  registerImage: {
    method: "POST",
    path: "/v1/images/register",
    summary: "Make an image of a squashfs of this host, used in place; the operation's result tells its name",
    body: s.registerImage,
    ...starts,
  },

  promoteImage: {
    method: "POST",
    path: "/v1/images/{image}/promote",
    summary: "Copy a registered image into the store",
    ...starts,
  },

  exportImage: {
    method: "POST",
    path: "/v1/images/{image}/export",
    summary: "Write an image to a file or folder of this host",
    body: s.exportImage,
    ...starts,
  },
} as const satisfies Record<string, Route>;
