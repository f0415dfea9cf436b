/**
 * Detached signatures over the exact bytes of a catalog: ECDSA P-256 with SHA-256, DER, base64. `cosign verify-blob` and
 * `openssl dgst -verify` read the same (docs/adr/0015-catalog-signatures.md). Pure.
 */
import { type KeyObject, sign, verify } from "node:crypto";

/** A signature file has one line, or two while a publication is under way. */
const MAX_LINES = 2;
export const MAX_SIGNATURE = 1024;

export function signBytes(bytes: Buffer, key: KeyObject): string {
  return `${sign("sha256", bytes, key).toString("base64")}\n`;
}

/** Whether one of the lines of a signature file is the key's signature of these bytes. */
export function isSigned(bytes: Buffer, signature: string, key: KeyObject): boolean {
  const lines = signature.split("\n").filter(Boolean);
  if (lines.length > MAX_LINES) return false;
  return lines.some(
    (line) =>
      /^[A-Za-z0-9+/]{80,120}={0,2}$/.test(line) && verify("sha256", bytes, key, Buffer.from(line, "base64")),
  );
}
