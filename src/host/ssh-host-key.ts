/** A new ed25519 host key for a guest's ssh server, in OpenSSH's own format (PROTOCOL.key of OpenSSH), which sshd wants for this kind. */
import { generateKeyPair, randomBytes } from "node:crypto";
import { promisify } from "node:util";

const TYPE = "ssh-ed25519";
const MAGIC = "openssh-key-v1\0";
/** The private part is padded to this, with no cipher. */
const BLOCK = 8;
const LINE = 70;

export interface SshHostKey {
  /** What belongs into `ssh_host_ed25519_key`. */
  readonly privateKey: Buffer;
  /** What belongs into `ssh_host_ed25519_key.pub`. */
  readonly publicKey: Buffer;
}

export async function makeSshHostKey(): Promise<SshHostKey> {
  const { privateKey } = await promisify(generateKeyPair)("ed25519");
  const { x = "", d = "" } = privateKey.export({ format: "jwk" });
  const [point, seed] = [Buffer.from(x, "base64url"), Buffer.from(d, "base64url")];
  const publicBlob = Buffer.concat([string(TYPE), string(point)]);
  return {
    privateKey: Buffer.from(pem(privateBlob(publicBlob, point, seed))),
    publicKey: Buffer.from(`${TYPE} ${publicBlob.toString("base64")}\n`),
  };
}

function privateBlob(publicBlob: Buffer, point: Buffer, seed: Buffer): Buffer {
  const check = randomBytes(4);
  const comment = string("");
  const secret = Buffer.concat([check, check, publicBlob, string(Buffer.concat([seed, point])), comment]);
  const padding = Buffer.from(
    Array.from({ length: (BLOCK - (secret.length % BLOCK)) % BLOCK }, (_, at) => at + 1),
  );
  return Buffer.concat([
    Buffer.from(MAGIC),
    ...["none", "none", ""].map(string), // cipher, key derivation and its options
    number(1),
    string(publicBlob),
    string(Buffer.concat([secret, padding])),
  ]);
}

function pem(blob: Buffer): string {
  const lines = blob.toString("base64").match(new RegExp(`.{1,${LINE}}`, "g")) ?? [];
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join("\n")}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function string(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([number(bytes.length), bytes]);
}
