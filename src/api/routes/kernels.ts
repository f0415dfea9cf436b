/** Routes of kernels beyond the store's list. */
import * as s from "../schemas/kernels.ts";
import { type Route, starts } from "./route.ts";

export const kernelsRoutes = {
  getKernel: {
    method: "GET",
    path: "/v1/kernels/{kernel}",
    summary: "One kernel by name, digest or unique beginning of its digest",
    reply: s.kernelDetails,
    status: 200,
  },

  importKernel: {
    method: "POST",
    path: "/v1/kernels/import",
    summary: "Make a kernel of files of this host",
    body: s.importKernel,
    ...starts,
  },

  exportKernel: {
    method: "POST",
    path: "/v1/kernels/{kernel}/export",
    summary: "Write a kernel to a folder of this host that can be imported again",
    body: s.exportKernel,
    ...starts,
  },
} as const satisfies Record<string, Route>;
