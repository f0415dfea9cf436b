/** TCP port numbers as people write them. */
import { BangerError } from "./errors.ts";

/** @param what names the value in the error @throws invalid_argument unless it is a whole number from 1 to 65535 */
export function parsePort(text: string, what: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw BangerError.of("invalid_argument", {
    what,
    problem: `'${text}' is not a port`,
    accepted: "accepted: 1 to 65535",
  });
}
