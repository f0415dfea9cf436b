/** A database server for guests: the host's redis with its libraries, and the few words of its protocol that tests need. */
import { execFile } from "node:child_process";
import { copyFile, mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import type { Sandbox } from "../../src/sdk/index.ts";

/** The server and its checker are one program, which looks at its own name; this is where Debian's redis-tools has it. */
const PROGRAM = "/usr/bin/redis-check-rdb";
const PORT = 6379;

/** Copies it to the guest and starts it; resolves when it takes connections. */
export async function startRedis(vm: Sandbox, scratch: string): Promise<void> {
  const folder = join(scratch, "redis");
  await mkdir(folder);
  const { stdout } = await promisify(execFile)("ldd", [PROGRAM]);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path);
  for (const path of [PROGRAM, ...libraries]) await copyFile(path, join(folder, basename(path)));
  await vm.copyIn(folder, "/srv");
  const loader = basename(libraries.find((path) => path.includes("/ld-linux")) ?? "");
  const command = `cd /srv/redis && chmod +x ${loader} && exec ./${loader} --library-path . --argv0 redis-server ./${basename(PROGRAM)} --port ${PORT} --save ''`;
  const server = vm.exec(["sh", "-c", command], { onDisconnect: "keep" });
  await new Promise<void>((resolve, reject) => {
    server.stdout.on("data", (chunk: Buffer) => /Ready to accept/.test(chunk.toString()) && resolve());
    server.exited.then((end) => reject(new Error(`redis ended with ${end.code}`)), reject);
  });
  server.close();
}

/** Sends a command in a line and returns the first line of the answer, or the value where the answer is one. */
export async function redis(vm: Sandbox, command: string): Promise<string> {
  const connection = await vm.connect(PORT);
  connection.end(`${command}\r\n`);
  const chunks: Buffer[] = [];
  for await (const chunk of connection) chunks.push(chunk as Buffer);
  const [first = "", second = ""] = Buffer.concat(chunks).toString("utf8").split("\r\n");
  return first.startsWith("$") ? second : first;
}
