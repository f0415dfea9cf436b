/** This process' standard input and output as the two ends of a connection. */
import { closeSync, openSync } from "node:fs";
import type { Duplex } from "node:stream";
import type { Context } from "../context.ts";
import { drain, feed } from "./flow.ts";

const STDOUT = 1;

/** Carries bytes both ways until both have ended; the end of either is passed on at once. @throws what the connection fails with */
export async function carry(
  { stdin, stdout }: Pick<Context, "stdin" | "stdout">,
  connection: Duplex,
): Promise<void> {
  const closed = new Promise<void>((resolve, reject) => {
    connection.once("close", resolve).once("error", reject);
  });
  const input = feed(stdin, connection);
  const arrived = drain(connection, stdout, "standard output").then(() => endOutput(stdout));
  try {
    await Promise.race([Promise.all([closed, arrived]), input.broken]);
  } finally {
    input.stop();
    connection.destroy();
  }
}

/** Node never closes its standard output, but whoever reads it must learn that no more comes. */
async function endOutput(stdout: NodeJS.WriteStream): Promise<void> {
  await new Promise<void>((resolve) => stdout.write("", () => resolve()));
  if (stdout.isTTY || stdout !== process.stdout) return;
  closeSync(STDOUT);
  openSync("/dev/null", "w"); // takes the number, so that no other file gets it
}
