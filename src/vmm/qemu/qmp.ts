/** A client of QEMU's machine protocol (QMP): greeting, capabilities, commands, events. Lines are bounded. */
import type { Socket } from "node:net";

const MAX_LINE = 1024 * 1024;

interface Message {
  readonly QMP?: unknown;
  readonly event?: string;
  readonly data?: Record<string, unknown>;
  readonly return?: unknown;
  readonly error?: { readonly desc?: string };
}

export class Qmp {
  /** Resolves when the connection ends: QEMU closes it only by ending. */
  readonly closed: Promise<void>;
  /** Why the guest went down, as QEMU told in its last SHUTDOWN event, e.g. `guest-shutdown`, `guest-panic`. */
  shutdownReason: string | null = null;
  /** Called when the guest opens or closes a serial port; closed means that whoever had it open there has ended. */
  onPort: (id: string, open: boolean) => void = () => {};
  #migration: PromiseWithResolvers<void> | null = null;
  readonly #socket: Socket;
  readonly #waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];
  #buffer = "";

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#receive(text));
    socket.on("error", () => {}); // followed by close
    this.closed = new Promise((resolve) =>
      socket.once("close", () => {
        for (const { reject } of this.#waiting.splice(0)) reject(new Error("QEMU ended"));
        this.#migration?.reject(new Error("QEMU ended"));
        resolve();
      }),
    );
  }

  /** Takes over a fresh connection and negotiates. */
  static async open(socket: Socket): Promise<Qmp> {
    const qmp = new Qmp(socket);
    await new Promise((resolve, reject) => qmp.#waiting.push({ resolve, reject })); // the greeting
    await qmp.execute("qmp_capabilities");
    return qmp;
  }

  /** Runs a command. Answers come in order, so no ids are needed. @throws Error with QEMU's description */
  execute(command: string, args: Record<string, unknown> = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Error("QEMU ended"));
      this.#waiting.push({ resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    });
  }

  /** Resolves when the migration that is begun next has completed; needs the capability `events`. */
  migrated(): Promise<void> {
    this.#migration = Promise.withResolvers();
    return this.#migration.promise;
  }

  #receive(text: string): void {
    const lines = (this.#buffer + text).split("\n");
    this.#buffer = lines.pop() ?? "";
    if (this.#buffer.length > MAX_LINE) this.#socket.destroy();
    for (const line of lines) if (line.trim()) this.#handle(line);
  }

  #handle(line: string): void {
    const message = parse(line);
    if (!message) {
      this.#socket.destroy();
      return;
    }
    if (message.event) {
      const { reason, id, open, status } = message.data ?? {};
      if (message.event === "MIGRATION") this.#migrationIs(status);
      if (message.event === "SHUTDOWN" && typeof reason === "string") this.shutdownReason = reason;
      if (message.event === "VSERPORT_CHANGE") this.onPort(String(id), open === true);
      return;
    }
    const waiting = this.#waiting.shift();
    if (message.error) waiting?.reject(new Error(message.error.desc ?? "QEMU refused"));
    else waiting?.resolve(message.return ?? message.QMP);
  }

  #migrationIs(status: unknown): void {
    if (status === "completed") this.#migration?.resolve();
    if (status !== "failed" && status !== "cancelled") return;
    const migration = this.#migration;
    // Why is told when one asks; an incoming one that fails ends QEMU, which then says it in its log.
    this.execute("query-migrate").then(
      (info) => migration?.reject(new Error(describe(info) ?? `the transfer was ${status}`)),
      (error: Error) => migration?.reject(error),
    );
  }
}

function describe(info: unknown): string | undefined {
  const text = (info as { "error-desc"?: unknown } | null)?.["error-desc"];
  return typeof text === "string" ? text : undefined;
}

/** A line as a message; null when it is not a JSON object. */
function parse(line: string): Message | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" ? (value as Message | null) : null;
  } catch {
    return null;
  }
}
