/** Routes of images and kernels. */
import { z } from "zod";
import * as s from "../schemas/stores.ts";
import { flag, type Route, starts } from "./route.ts";

export const storesRoutes = {
  listImages: {
    method: "GET",
    path: "/v1/images",
    summary: "Images here, with available also those that can be obtained",
    query: z.object({ available: flag }),
    reply: z.array(s.image),
    status: 200,
  },

  pullImage: {
    method: "POST",
    path: "/v1/images/pull",
    summary: "Obtain an image if it is not here, or not any more what its catalog or registry has",
    body: s.pull,
    ...starts,
  },

  listKernels: {
    method: "GET",
    path: "/v1/kernels",
    summary: "Kernels here, with available also those that can be obtained",
    query: z.object({ available: flag }),
    reply: z.array(s.kernel),
    status: 200,
  },

  pullKernel: {
    method: "POST",
    path: "/v1/kernels/pull",
    summary: "Obtain a kernel if it is not here, or not any more what its catalog has",
    body: s.pull,
    ...starts,
  },
} as const satisfies Record<string, Route>;
