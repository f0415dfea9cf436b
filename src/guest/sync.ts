/** The start of a session on a byte stream that may hold the remains of an older one. See "Session start" in docs/protocol.md. */
import { randomBytes } from "node:crypto";
import { HEADER_SIZE, MAX_PAYLOAD } from "./frames.ts";
import { violation } from "./violation.ts";

/** Begins the mark of both ends. */
export const SYNC_MARK = Buffer.from("\xffBANGER-SYNC-01\n", "latin1");
export const NONCE_SIZE = 16;
/** Zero bytes before the mark: enough to complete any unfinished frame, and one all-zero header. */
export const PADDING_SIZE = MAX_PAYLOAD + HEADER_SIZE;
/** How much of an older session may come before the agent's mark. */
export const MAX_SKIPPED = 64 * 1024 * 1024;

/** What the host sends first, and the finder of the agent's answer to it. */
export class Sync {
  readonly #wanted = Buffer.concat([SYNC_MARK, randomBytes(NONCE_SIZE)]);
  #tail: Buffer = Buffer.alloc(0);
  #skipped = 0;

  /** Padding, mark and nonce. @param idle no frame can be unfinished at the agent: one all-zero header is enough */
  greeting(idle = false): Buffer {
    return Buffer.concat([Buffer.alloc(idle ? HEADER_SIZE : PADDING_SIZE), this.#wanted]);
  }

  /** Takes received bytes. Returns what follows the agent's mark and nonce, or null when they have not come yet. @throws guest_protocol */
  find(chunk: Buffer): Buffer | null {
    const bytes = this.#tail.length > 0 ? Buffer.concat([this.#tail, chunk]) : chunk;
    const at = bytes.indexOf(this.#wanted);
    if (at >= 0) return bytes.subarray(at + this.#wanted.length);
    const kept = Math.min(bytes.length, this.#wanted.length - 1);
    this.#skipped += bytes.length - kept;
    this.#tail = Buffer.from(bytes.subarray(bytes.length - kept));
    if (this.#skipped > MAX_SKIPPED) throw violation("it does not answer the sync mark");
    return null;
  }
}
