/** `[[catalogs]]` of config.toml: where signed catalogs of images and kernels are, and whose signature counts. Pure. */
import { z } from "zod";
import { isLoopback } from "./loopback.ts";
import { parsePublicKey } from "./public-key.ts";

const url = z
  .string()
  .max(2000)
  .refine((text) => isCatalogUrl(text), "must be an https address (http on this machine) of a catalog.json")
  .describe(
    "Address of a catalog.json, https (or http on this machine); its signature is at the same address with `.sig`.",
  );

const publicKey = z
  .string()
  .refine(
    (text) => parsePublicKey(text) !== null,
    "must be an ECDSA P-256 public key: PEM, or its base64 in one line as banger catalog keygen prints it",
  )
  .describe("The publisher's key: PEM, or its base64 in one line, as `banger catalog keygen` prints it.");

export const catalogSource = z.strictObject({ url, public_key: publicKey });

/** A catalog that the user trusts. */
export type CatalogSource = Readonly<z.output<typeof catalogSource>>;

/** Whether a catalog may be fetched from there: with TLS or from this machine, no login and no fragment in it. */
export function isCatalogUrl(text: string): boolean {
  const found = URL.parse(text);
  if (!found || found.username || found.password || found.hash) return false;
  return found.protocol === "https:" || (found.protocol === "http:" && isLoopback(found.host));
}
