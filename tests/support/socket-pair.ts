/** Two ends of a unix socket: one for the code under test, one for the script that plays the other side. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { temporaryFolder } from "./temporary.ts";

export async function socketPair(
  t: TestContext,
  options: { readonly allowHalfOpen?: boolean } = {},
): Promise<{ near: Socket; far: Socket }> {
  const path = join(temporaryFolder(t), "s");
  const server = createServer({ pauseOnConnect: true, ...options }).listen(path);
  await once(server, "listening");
  const near = connect({ path, ...options });
  const [far] = (await once(server, "connection")) as [Socket];
  server.close();
  for (const socket of [near, far]) {
    socket.on("error", () => {}); // followed by close
    t.after(() => socket.destroy());
  }
  far.resume();
  return { near, far };
}
