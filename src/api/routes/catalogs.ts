/** Routes of catalogs, and of what publishers make. */
import { z } from "zod";
import * as s from "../schemas/catalogs.ts";
import { flag, type Route, starts } from "./route.ts";

export const catalogsRoutes = {
  listCatalogs: {
    method: "GET",
    path: "/v1/catalogs",
    summary: "The catalogs of config.toml, as they were last fetched; with refresh they are fetched first",
    query: z.object({ refresh: flag }),
    reply: z.array(s.catalogStatus),
    status: 200,
  },

  verifyCatalog: {
    method: "POST",
    path: "/v1/catalogs/verify",
    summary: "Check a catalog and every bundle of it; the operation's result tells of each",
    body: s.verifyCatalog,
    ...starts,
  },

  makeBundle: {
    method: "POST",
    path: "/v1/bundles",
    summary:
      "Write an image or a kernel to a file that a catalog can name; the operation's result tells which",
    body: s.makeBundle,
    ...starts,
  },

  publish: {
    method: "POST",
    path: "/v1/publications",
    summary: "Put an image or a kernel into the signed catalog of a folder",
    body: s.publication,
    ...starts,
  },

  verifyStored: {
    method: "POST",
    path: "/v1/verifications",
    summary: "Check that an image or a kernel here is what its digest says",
    body: s.verifyStored,
    ...starts,
  },
} as const satisfies Record<string, Route>;
