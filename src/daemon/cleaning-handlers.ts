/** Routes of cleaning up. */
import type { FastifyReply } from "fastify";
import type { cleaningRoutes } from "../api/routes/cleaning.ts";
import type { VmContext } from "../vm/context.ts";
import { allParts, prune, removeKernel } from "./cleaning.ts";
import type { Handlers } from "./server.ts";
import type { Stores } from "./store-handlers.ts";

export function cleaningHandlers(context: VmContext & Stores): Pick<Handlers, keyof typeof cleaningRoutes> {
  return {
    listParts: () => allParts(context),
    prune: ({ body, reply }) => prune(context, body, untilLeft(reply)),
    deleteKernel: ({ params, reply }) => removeKernel(context, params.kernel ?? "", untilLeft(reply)),
  };
}

/** Aborts when the client does not wait any more. */
export function untilLeft(reply: FastifyReply): AbortSignal {
  const left = new AbortController();
  reply.raw.once("close", () => left.abort());
  return left.signal;
}
