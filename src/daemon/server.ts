/** HTTP over the unix socket: every route of src/api/routes.ts bound to its handler, checked by its schema. */

import type { Readable } from "node:stream";
import websocket, { type WebSocket } from "@fastify/websocket";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { z } from "zod";
import { ROUTES, type Route, type RouteName } from "../api/routes.ts";
import { asBangerError, BangerError } from "../core/errors.ts";
import { MAX_EXEC_MESSAGE } from "../core/limits.ts";

/** Larger JSON bodies are refused; files and archives are streams and have no limit here. */
const MAX_JSON = 1024 * 1024;
/** Node's HTTP server looks after slow clients with a timer; on a private socket there is nothing to look after, and the daemon shall sleep. */
const NEVER = 2 ** 31 - 1;

type Parsed<T> = T extends z.ZodType ? z.output<T> : T extends "stream" ? Readable : undefined;
type Of<R, K extends string> = R extends { readonly [P in K]: infer V } ? V : undefined;
type ReplyOf<R extends Route> = R["reply"] extends z.ZodType
  ? z.output<R["reply"]>
  : R["reply"] extends "stream"
    ? Readable
    : // biome-ignore lint/suspicious/noConfusingVoidType: what a handler promises that answers with nothing
      void;

/** What a handler gets: path parameters, checked query and body, and the raw pair for streams. */
export interface Call<R extends Route> {
  readonly params: Record<string, string>;
  readonly query: Parsed<Of<R, "query">>;
  readonly body: Parsed<Of<R, "body">>;
  /** For server-sent events. */
  readonly reply: FastifyReply;
  /** Ends when the client goes away. */
  readonly request: FastifyRequest;
}

type HttpRoutes = {
  [N in RouteName as (typeof ROUTES)[N]["reply"] extends "websocket" ? never : N]: (typeof ROUTES)[N];
};
type SocketRoutes = {
  [N in RouteName as (typeof ROUTES)[N]["reply"] extends "websocket" ? N : never]: (typeof ROUTES)[N];
};

export type Handlers = {
  readonly [N in keyof HttpRoutes]: (call: Call<HttpRoutes[N]>) => Promise<ReplyOf<HttpRoutes[N]>>;
} & {
  readonly [N in keyof SocketRoutes]: (socket: WebSocket, params: Record<string, string>) => Promise<void>;
};

/** Builds the server; it can be tested by injection without a socket. */
export async function buildServer(handlers: Handlers): Promise<FastifyInstance> {
  const server = Fastify({
    logger: false,
    bodyLimit: MAX_JSON,
    requestTimeout: 0,
    forceCloseConnections: true,
    http: { connectionsCheckingInterval: NEVER },
    routerOptions: { maxParamLength: 200 },
  });
  await server.register(websocket, {
    options: { maxPayload: MAX_EXEC_MESSAGE, perMessageDeflate: false },
  });
  for (const type of ["application/octet-stream", "application/x-tar"]) {
    server.addContentTypeParser(type, { bodyLimit: Number.MAX_SAFE_INTEGER }, (_request, payload, done) =>
      done(null, payload),
    );
  }
  server.setErrorHandler((thrown, _request, reply) => {
    const error = fromFramework(thrown);
    void reply.status(error.status).send(error.toBody());
  });
  server.setNotFoundHandler((request, reply) => {
    const error = BangerError.of("not_implemented_route", {
      method: request.method,
      path: request.url.slice(0, 200),
    });
    void reply.status(error.status).send(error.toBody());
  });
  for (const name of Object.keys(ROUTES) as RouteName[])
    register(server, ROUTES[name], handlers[name] as AnyHandler);
  return server;
}

// The table of handlers is checked by `Handlers`; here the routes are only walked.
type AnyHandler = ((call: unknown) => Promise<unknown>) &
  ((socket: WebSocket, params: Record<string, string>) => Promise<void>);

function register(server: FastifyInstance, route: Route, handler: AnyHandler): void {
  const url = route.path.replace(/\{(\w+)\}/g, ":$1");
  if (route.reply === "websocket") {
    server.get(url, { websocket: true }, (socket, request) => {
      socket.on("error", () => {}); // followed by close
      void handler(socket, request.params as Record<string, string>);
    });
    return;
  }
  server.route({
    method: route.method,
    url,
    handler: async (request, reply) => {
      const result = await handler({
        params: request.params as Record<string, string>,
        query: check(route.query, request.query),
        body: route.body === "stream" ? requireStream(request.body) : check(route.body, request.body ?? {}),
        reply,
        request,
      });
      if (route.reply === "events") return reply;
      if (route.reply === "empty") return reply.status(204).send();
      if (route.reply === "stream") void reply.type("application/octet-stream");
      return reply.status(route.status).send(result);
    },
  });
}

function check(schema: z.ZodType | undefined, value: unknown): unknown {
  if (!schema) return undefined;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue?.path.join(".");
  throw BangerError.of("invalid_request", {
    problem: `${where ? `${where}: ` : ""}${issue?.message ?? "not valid"}`,
  });
}

function requireStream(body: unknown): unknown {
  if (typeof (body as Readable | null)?.pipe === "function") return body;
  throw BangerError.of("invalid_request", {
    problem: "the body must be application/octet-stream or application/x-tar",
  });
}

function fromFramework(thrown: unknown): BangerError {
  const status = (thrown as { statusCode?: number }).statusCode;
  if (!(thrown instanceof BangerError) && status !== undefined && status < 500) {
    return BangerError.of("invalid_request", { problem: (thrown as Error).message }, { cause: thrown });
  }
  return asBangerError(thrown);
}
