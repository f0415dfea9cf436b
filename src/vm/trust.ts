/** `trust_host_ca`: the certificate authorities that the host's administrator added, made the guest's (spec 3.1). */
import { buffer } from "node:stream/consumers";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import {
  type GuestSession,
  listFiles,
  readFile,
  removeFile,
  startProcess,
  statFile,
  writeFile,
} from "../guest/index.ts";
import type { ExtraCertificate } from "../host/extra-certificates.ts";

/** In the guest: all of them in one file, which also tells what the guest was given. */
export const TRUSTED_FILE = "/etc/banger/host-ca.pem";
/** Where a distribution's own tools (update-ca-certificates, update-ca-trust) look for certificates to add, when they are run. */
const SOURCES = ["/usr/local/share/ca-certificates", "/etc/pki/ca-trust/source/anchors"];
/** Where OpenSSL looks, by names that it makes of the subjects. */
const HASHED = "/etc/ssl/certs";
/** Files with all certificates, as programs read them. The first is made where there is none. */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const PREFIX = "banger-";
const MAX_BUNDLE = 8 * 1024 * 1024;
const FENCE = { begin: "# banger: this host's certificates\n", end: "# banger: end\n" };
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g;
const REHASH_MS = 60_000;

/**
 * Gives the guest exactly these; none takes back what an earlier start gave. What it has already is left alone. A guest whose
 * trust cannot be changed is told of and goes on.
 *
 * The distribution's own tool is not run: it starts several programs for each certificate that there is, which takes an emulated
 * processor a minute. Its work is done here for what changes, so that it finds nothing to do when it is run.
 */
export async function trustCertificates(
  session: GuestSession,
  certificates: readonly ExtraCertificate[],
  { report, signal }: Work,
): Promise<void> {
  const wanted = certificates.map(({ pem }) => pem).join("");
  try {
    const former = (await textOf(session, TRUSTED_FILE)) ?? "";
    if (former === wanted) return;
    report.stage("trusting this host's certificates", String(certificates.length));
    for (const folder of SOURCES) await changeFolder(session, folder, certificates, "crt");
    await changeBundles(session, former, wanted);
    if (await changeFolder(session, HASHED, certificates, "pem")) await rehash(session, signal);
    // Last: a start that is cut off before does it again.
    if (wanted === "") await removeFile(session, TRUSTED_FILE, { missingOk: true });
    else await write(session, TRUSTED_FILE, wanted);
  } catch (error) {
    if (!session.isOpen || signal.aborted) throw error;
    report.notice(`trust_host_ca: the guest's trust was not changed: ${(error as Error).message}`);
  }
}

/** A file for each, in a folder that is there. @returns whether it is */
async function changeFolder(
  session: GuestSession,
  folder: string,
  certificates: readonly ExtraCertificate[],
  ending: string,
): Promise<boolean> {
  if ((await statFile(session, folder).catch(() => null))?.type !== "dir") return false;
  const former: string[] = [];
  for await (const { name } of listFiles(session, folder)) if (name.startsWith(PREFIX)) former.push(name);
  for (const name of former) await removeFile(session, `${folder}/${name}`, { missingOk: true });
  for (const { fingerprint, pem } of certificates) {
    await write(session, `${folder}/${PREFIX}${fingerprint.slice(0, 16)}.${ending}`, pem);
  }
  return true;
}

/** Has OpenSSL make its names; where there is no such program nobody needs them. */
async function rehash(session: GuestSession, signal: AbortSignal): Promise<void> {
  const process = await startProcess(
    session,
    { argv: ["openssl", "rehash", HASHED], deadlineMs: REHASH_MS },
    { signal },
  ).catch((error: BangerError) => {
    if (error.code === "command_not_found" || error.code === "command_not_executable") return null;
    throw error;
  });
  process?.stdout.resume();
  process?.stderr.resume();
  await process?.exited;
}

/** Puts them at the end of the files that programs read, in place of those that an earlier start put there. */
async function changeBundles(session: GuestSession, former: string, wanted: string): Promise<void> {
  const there: string[] = [];
  for (const path of BUNDLES) {
    const found = await statFile(session, path).catch(() => null);
    if (found?.type === "file") there.push(path); // a link leads to one of the others
  }
  if (there.length === 0 && wanted !== "") there.push(BUNDLES[0] as string);
  for (const path of there) {
    await write(session, path, changeBundle((await textOf(session, path)) ?? "", former, wanted));
  }
}

/** @param former what an earlier start gave, which the distribution's tool may have written there meanwhile. Pure. */
export function changeBundle(text: string, former: string, wanted: string): string {
  const begin = text.indexOf(FENCE.begin);
  const end = text.indexOf(FENCE.end, begin);
  let rest = begin < 0 || end < 0 ? text : text.slice(0, begin) + text.slice(end + FENCE.end.length);
  for (const [pem] of former.matchAll(PEM)) rest = rest.replaceAll(pem, "");
  if (wanted === "") return rest;
  const gap = rest === "" || rest.endsWith("\n") ? "" : "\n";
  return `${rest}${gap}${FENCE.begin}${wanted}${FENCE.end}`;
}

/** null when there is none. @throws guest_refused when it is too large to be one */
async function textOf(session: GuestSession, path: string): Promise<string | null> {
  const content = await readFile(session, path, { limit: MAX_BUNDLE + 1 }).catch((error: BangerError) => {
    if (error.code === "guest_not_found") return null;
    throw error;
  });
  if (!content) return null;
  const bytes = await buffer(content);
  if (bytes.length <= MAX_BUNDLE) return bytes.toString("latin1");
  throw BangerError.of("guest_refused", {
    problem: `${path} is larger than any list of certificates`,
    hint: "look at it in the guest",
  });
}

const write = (session: GuestSession, path: string, text: string) =>
  writeFile(session, path, Buffer.from(text, "latin1"), { mode: 0o644, makeParents: true });
