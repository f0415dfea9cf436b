/** A static web server on loopback, and a say over each answer before it is sent. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** Returns true when it has answered itself. */
export type Trouble = (request: IncomingMessage, reply: ServerResponse, file: string) => boolean;

export class StaticServer implements AsyncDisposable {
  /** Names of the files that were asked for. */
  readonly asked: string[] = [];
  trouble: Trouble = () => false;
  readonly #folder: string;
  readonly #server = createServer((request, reply) => void this.#answer(request, reply));

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async start(folder: string): Promise<StaticServer> {
    const server = new StaticServer(folder);
    server.#server.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.#server.once("listening", resolve));
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const name = new URL(request.url ?? "/", this.origin).pathname.slice(1);
    this.asked.push(name);
    if (this.trouble(request, reply, name)) return;
    const path = join(this.#folder, name);
    const size = (await stat(path).catch(() => null))?.size;
    if (size === undefined) {
      reply.writeHead(404).end();
      return;
    }
    reply.writeHead(200, { "content-length": size });
    createReadStream(path).pipe(reply);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
