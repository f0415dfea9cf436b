/**
 * The messages of the connect WebSocket (`GET /v1/vms/{vm}/ports/{port}/connect`): one TCP connection to a port in the guest.
 *
 * The daemon's first message is text: `connected`, or `error` and the end. Then binary messages carry data both ways, and a
 * text message `eof` says that its sender sends no more (half close). After both it is closed with 1000; a connection that is
 * reset ends with `error`. Flow control is the socket's own: a side that cannot take more stops reading.
 */
import { z } from "zod";
import { errorBody } from "./schemas.ts";

const eof = z.strictObject({ type: z.literal("eof") }).describe("no more data from this side");

export const connectClientMessage = eof.meta({ id: "ConnectClientMessage" });

export const connectServerMessage = z
  .discriminatedUnion("type", [
    z.object({ type: z.literal("connected") }),
    eof,
    z.object({ type: z.literal("error"), error: errorBody }),
  ])
  .meta({ id: "ConnectServerMessage" });

export type ConnectClientMessage = z.infer<typeof connectClientMessage>;
export type ConnectServerMessage = z.infer<typeof connectServerMessage>;
