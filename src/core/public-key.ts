/** Public keys that catalogs are signed with: ECDSA P-256, as cosign and openssl write them. Pure. */
import { createPublicKey, type KeyObject } from "node:crypto";

const PEM = /-----BEGIN PUBLIC KEY-----[\s\S]{1,1000}-----END PUBLIC KEY-----/;

/**
 * @param text PEM (SubjectPublicKeyInfo), or the same without its first and last line
 * @returns null when it is no such key
 */
export function parsePublicKey(text: string): KeyObject | null {
  const body = /^[A-Za-z0-9+/=\s]{50,400}$/.test(text) ? text.trim() : null;
  const pem =
    body === null ? PEM.exec(text)?.[0] : `-----BEGIN PUBLIC KEY-----\n${body}\n-----END PUBLIC KEY-----`;
  if (pem === undefined) return null;
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyDetails?.namedCurve === "prime256v1" ? key : null;
  } catch {
    return null;
  }
}

/** A key in one line, as config.toml has it. */
export function publicKeyLine(key: KeyObject): string {
  return key.export({ type: "spki", format: "der" }).toString("base64");
}
