/** The certificate authorities that this host trusts beside the public ones: what its administrator or its user added. */
import { X509Certificate } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";

/** Where an administrator puts certificates on Debian, Fedora and Arch (update-ca-certificates(8), update-ca-trust(8)). */
const FOLDERS = [
  "/usr/local/share/ca-certificates",
  "/etc/pki/ca-trust/source/anchors",
  "/etc/ca-certificates/trust-source/anchors",
];
const NAMES = /\.(crt|pem|cer)$/;
const MAX_FILE = 1024 * 1024;
/** More than the public ones are. */
const MAX_CERTIFICATES = 500;
const PEM = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

export interface ExtraCertificate {
  /** SHA-256 in hexadecimal digits. */
  readonly fingerprint: string;
  /** Ends with a line break. */
  readonly pem: string;
}

export interface ExtraCertificates {
  readonly certificates: readonly ExtraCertificate[];
  /** What could not be used, for people. */
  readonly problems: readonly string[];
}

/**
 * Certificates in the folders of the host's trust store that are the administrator's, and in the file that NODE_EXTRA_CA_CERTS
 * names; each once, without those that everybody has. In the order of their fingerprints. Never throws for a file.
 */
export async function extraCertificates(
  env: NodeJS.ProcessEnv = process.env,
  folders: readonly string[] = FOLDERS,
): Promise<ExtraCertificates> {
  const named = env.NODE_EXTRA_CA_CERTS ? [env.NODE_EXTRA_CA_CERTS] : [];
  const files = [...(await Promise.all(folders.map(filesIn))).flat(), ...named];
  const found = new Map<string, ExtraCertificate>();
  const problems: string[] = [];
  for (const file of files) {
    try {
      for (const certificate of await certificatesIn(file)) found.set(certificate.fingerprint, certificate);
    } catch (error) {
      problems.push(`${file}: ${(error as Error).message}`);
    }
  }
  if (found.size === 0) return { certificates: [], problems };
  const known = new Set(rootCertificates.map((pem) => fingerprintOf(new X509Certificate(pem))));
  const extra = [...found.values()].filter(({ fingerprint }) => !known.has(fingerprint));
  if (extra.length > MAX_CERTIFICATES) problems.push(`${extra.length - MAX_CERTIFICATES} more were left out`);
  const inOrder = extra.sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
  return { certificates: inOrder.slice(0, MAX_CERTIFICATES), problems };
}

async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names.filter((name) => NAMES.test(name)).map((name) => join(folder, name));
}

async function certificatesIn(file: string): Promise<ExtraCertificate[]> {
  const info = await stat(file);
  if (!info.isFile()) throw new Error("it is no file");
  if (info.size > MAX_FILE) throw new Error("it is too large");
  const blocks = (await readFile(file, "latin1")).match(PEM) ?? [];
  if (blocks.length === 0) throw new Error("it has no certificate in PEM form");
  return blocks.map((pem) => {
    const certificate = new X509Certificate(pem);
    return { fingerprint: fingerprintOf(certificate), pem: certificate.toString() };
  });
}

const fingerprintOf = ({ fingerprint256 }: X509Certificate) =>
  fingerprint256.replaceAll(":", "").toLowerCase();
