import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { privateDirectory } from "../../src/host/files.ts";
import { daemonSocket, resolvePaths } from "../../src/host/paths.ts";
import { configureHome, homeEnvironment, LAUNCHER } from "../support/command.ts";
import { median, ms, type Row, time } from "./measure.ts";
import { program } from "./programs.ts";

const N = 21;
const TARGET = 3.5;

/** What passes in a client before its request for a VM reaches the daemon: of a `vm run`, against a daemon that answers at once. */
export async function benchClient(): Promise<Row[]> {
  const home = await mkdtemp(join(tmpdir(), "banger-bench-client-"));
  const env = homeEnvironment(home);
  await configureHome(home);
  const requested: (() => void)[] = [];
  const server = createServer((request, reply) => {
    if (request.method === "POST") requested.shift()?.();
    answer(request, reply);
  });
  const socket = daemonSocket(resolvePaths(env));
  await privateDirectory(dirname(socket));
  server.listen(socket);
  await once(server, "listening");
  try {
    const [ours, node]: [number[], number[]] = [[], []];
    for (let round = 0; round <= N; round++) {
      const arrived = new Promise<void>((resolve) => requested.push(resolve));
      const client = spawn(LAUNCHER, ["vm", "run", "--rm", "--", "true"], { env, stdio: "ignore" });
      const ended = once(client, "close");
      const taken = await time(() => arrived);
      await ended;
      const bare = await time(() => program(process.execPath, ["-e", "0"], env));
      if (round === 0) continue; // what is cached was not
      ours.push(taken);
      node.push(bare);
    }
    return [row(median(ours), median(node))];
  } finally {
    server.close();
    await rm(home, { recursive: true, force: true });
  }
}

function row(ours: number, node: number): Row {
  return {
    name: "`vm run` until its request for a VM arrives",
    n: N,
    ours: ms(ours),
    theirs: `${ms(node)} \`node -e 0\``,
    ratio: ours / node,
    target: `<= ${TARGET}`,
    ok: ours / node <= TARGET,
  };
}

/** As the daemon until a VM is asked for, which is refused. */
function answer({ method, url }: IncomingMessage, reply: ServerResponse): void {
  if (method === "GET" && url === "/v1/lease") {
    reply.writeHead(200, { "content-type": "text/event-stream" }).write('data: {"lease":"ls-bench"}\n\n');
  } else if (method === "GET") {
    const driver = { name: "qemu", usable: true, detail: "" };
    reply.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ driver }));
  } else {
    reply.writeHead(500).end("{}");
  }
}
