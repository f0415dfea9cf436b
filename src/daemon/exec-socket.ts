/** The exec WebSocket: a process in the guest on one side, a client on the other (messages: src/api/exec.ts). */
import type { WebSocket } from "@fastify/websocket";
import { type ExecServerMessage, type ExecStart, execClientMessage } from "../api/exec.ts";
import { asBangerError, BangerError } from "../core/errors.ts";
import {
  attachProcess,
  type GuestProcess,
  type GuestSession,
  resizeProcess,
  signalProcess,
  startProcess,
} from "../guest/index.ts";
import type { RunSettings } from "../images/manifest.ts";
import { pump } from "./pump.ts";

const CHANNEL = { stdin: 0, stdout: 1, stderr: 2 } as const;

/**
 * Serves one client until the process or the client ends.
 * @param openGuest the agent session; its failure is sent to the client
 * @param imageSettings who runs it and where, unless the client says so
 */
export async function serveExec(
  socket: WebSocket,
  openGuest: () => Promise<GuestSession>,
  imageSettings: () => Promise<RunSettings>,
): Promise<void> {
  try {
    const inbox = new Inbox(socket);
    const [session, settings] = await Promise.all([openGuest(), imageSettings()]);
    const first = await inbox.first;
    const process = await open(session, first, settings);
    send(socket, {
      type: "started",
      proc: process.proc,
      pid: process.pid,
      stdout_offset: process.stdoutOffset,
      stderr_offset: process.stderrOffset,
    });
    if (first.type === "start" && first.detach) {
      send(socket, { type: "detached" });
    } else {
      socket.once("close", () => process.detach());
      inbox.deliverTo(session, process);
      await Promise.all([
        pump(socket, process.stdout, onChannel(CHANNEL.stdout)),
        pump(socket, process.stderr, onChannel(CHANNEL.stderr)),
      ]);
      const exit = await process.exited;
      send(socket, { type: "exited", code: exit.code, signal: exit.signal, timed_out: exit.timedOut });
    }
    socket.close(1000);
  } catch (error) {
    send(socket, { type: "error", error: asBangerError(error).toBody() });
    socket.close(1011);
  }
}

type FirstMessage = Extract<ReturnType<typeof execClientMessage.parse>, { type: "start" | "attach" }>;

function open(session: GuestSession, message: FirstMessage, settings: RunSettings): Promise<GuestProcess> {
  const onDisconnect = message.on_disconnect === "keep" ? "keep" : "hangUp";
  if (message.type === "attach") {
    return attachProcess(session, {
      proc: message.proc,
      stdoutOffset: message.stdout_offset ?? 0,
      stderrOffset: message.stderr_offset ?? 0,
      ...(message.on_disconnect ? { onDisconnect } : {}),
    });
  }
  return startProcess(session, {
    ...processSpec(message, settings),
    onDisconnect: message.detach ? "keep" : onDisconnect,
  });
}

function processSpec(message: ExecStart, settings: RunSettings) {
  const cwd = message.cwd ?? settings.workingDirectory;
  const user = message.user ?? settings.user;
  return {
    argv: message.argv,
    env: message.env ?? {},
    stdin: message.stdin ?? false,
    attach: !message.detach,
    login: message.login ?? false,
    ...(cwd && { cwd }),
    ...(user && { user }),
    ...(message.pty === undefined ? {} : { pty: message.pty }),
    ...(message.timeout_ms === undefined ? {} : { deadlineMs: message.timeout_ms }),
    ...(message.label === undefined ? {} : { label: message.label }),
  };
}

/** Messages of the client: the first one by itself, what comes before the process is there is held back by not reading. */
class Inbox {
  readonly first: Promise<FirstMessage>;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.first = new Promise((resolve, reject) => {
      socket.once("message", (data: Buffer, binary: boolean) => {
        socket.pause();
        try {
          const message = parse(data, binary);
          if (message.type !== "start" && message.type !== "attach")
            throw badMessage("the first message must be start or attach");
          resolve(message);
        } catch (error) {
          reject(error);
        }
      });
      socket.once("close", () => reject(badMessage("the connection ended before a start message")));
    });
    this.first.catch(() => {}); // awaited after the guest session is open
  }

  deliverTo(session: GuestSession, process: GuestProcess): void {
    const socket = this.#socket;
    process.stdin.on("error", () => {}); // a process that closed its stdin: what comes is dropped, as with a pipe
    for (const event of ["drain", "close"]) process.stdin.on(event, () => socket.resume());
    socket.on("message", (data: Buffer, binary: boolean) => {
      try {
        if (binary) {
          if (data[0] !== CHANNEL.stdin) throw badMessage("clients send on channel 0 only");
          if (!process.stdin.destroyed && !process.stdin.write(data.subarray(1))) socket.pause();
          return;
        }
        const message = parse(data, binary);
        const ignoreEnded = () => {}; // a signal that crosses the process' end is not an error
        if (message.type === "eof") process.stdin.end();
        else if (message.type === "resize") resizeProcess(session, process.proc, message).catch(ignoreEnded);
        else if (message.type === "signal")
          signalProcess(session, process.proc, message.signal).catch(ignoreEnded);
      } catch (error) {
        send(socket, { type: "error", error: asBangerError(error).toBody() });
        socket.close(1008);
      }
    });
    socket.resume();
  }
}

function parse(data: Buffer, binary: boolean) {
  if (binary) throw badMessage("data came before start");
  let json: unknown;
  try {
    json = JSON.parse(data.toString("utf8"));
  } catch {
    throw badMessage("a text message is not JSON");
  }
  const result = execClientMessage.safeParse(json);
  if (!result.success) throw badMessage(result.error.issues[0]?.message ?? "unknown message");
  return result.data;
}

const badMessage = (problem: string) => BangerError.of("invalid_request", { problem });

function send(socket: WebSocket, message: ExecServerMessage): void {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
}

/** Output as a message: one byte of channel, then the data. */
const onChannel = (channel: number) => (chunk: Buffer) => {
  const message = Buffer.allocUnsafe(chunk.length + 1);
  message[0] = channel;
  chunk.copy(message, 1);
  return message;
};
