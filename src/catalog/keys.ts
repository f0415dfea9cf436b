/** Key files of who publishes catalogs. A private key is read and used here alone; it is in no argument and in no log. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { open, readFile, stat, unlink, writeFile } from "node:fs/promises";
import { BangerError } from "../core/errors.ts";
import { parsePublicKey, publicKeyLine } from "../core/public-key.ts";

/** Key files have a few hundred bytes. */
const MAX_KEY_FILE = 16 * 1024;

/** A pair of keys that publishes. */
export interface SigningKey {
  readonly private: KeyObject;
  readonly public: KeyObject;
}

/**
 * Makes a key: `file` (mode 0600, PKCS#8 PEM without a passphrase) and `file`.pub.
 * @returns the public key in one line, for config.toml
 * @throws signing_key_unusable when one of the files exists or cannot be written
 */
export async function makeKeyFiles(file: string): Promise<string> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const write = async (path: string, text: string | Buffer, mode: number) => {
    try {
      await writeFile(path, text, { flag: "wx", mode, flush: true });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw unusable(path, code === "EEXIST" ? "it exists already" : message, error);
    }
  };
  await write(file, privateKey.export({ type: "pkcs8", format: "pem" }), 0o600);
  await write(`${file}.pub`, publicKey.export({ type: "spki", format: "pem" }), 0o644).catch(
    async (error: unknown) => {
      await unlink(file);
      throw error;
    },
  );
  return publicKeyLine(publicKey);
}

/**
 * Reads a private key. Nobody else may be able to read the file, and a public key beside it (`file`.pub) must be its own.
 * @throws signing_key_unusable
 */
export async function readSigningKey(file: string): Promise<SigningKey> {
  const pem = await readPrivately(file);
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // The reason of the library could tell of the content.
    throw unusable(file, "it holds no private key without a passphrase, in PEM");
  }
  if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1") throw unusable(file, "it is no ECDSA P-256 key");
  const publicKey = createPublicKey(key);
  const beside = await readFile(`${file}.pub`, "utf8").catch(() => null);
  const stated = beside === null ? publicKey : parsePublicKey(beside);
  if (!stated?.equals(publicKey)) throw unusable(file, `${file}.pub is the key of another one`);
  return { private: key, public: publicKey };
}

/** @throws signing_key_unusable */
export async function readPublicKey(file: string): Promise<KeyObject> {
  const info = await stat(file).catch((error: Error) => {
    throw unusable(file, error.message, error);
  });
  const key = info.size > MAX_KEY_FILE ? null : parsePublicKey(await readFile(file, "utf8"));
  if (!key) throw unusable(file, "it holds no ECDSA P-256 public key in PEM");
  return key;
}

async function readPrivately(file: string): Promise<Buffer> {
  const handle = await open(file, "r").catch((error: Error) => {
    throw unusable(file, error.message, error);
  });
  try {
    const info = await handle.stat();
    if (!info.isFile() || info.size > MAX_KEY_FILE) throw unusable(file, "it is no key file");
    if (info.mode & 0o077) throw unusable(file, "others may read it; chmod 600 mends that");
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

function unusable(file: string, reason: string, cause?: unknown): BangerError {
  return BangerError.of("signing_key_unusable", { file, reason }, { cause });
}
