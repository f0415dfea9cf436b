/** `trust_host_ca`: the certificate authorities that the host's administrator added, made the guest's (spec 3.1). */
import { buffer } from "node:stream/consumers";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import {
  type GuestSession,
  makeDirectory,
  readFile,
  removeFile,
  startProcess,
  statFile,
  writeFile,
} from "../guest/index.ts";
import type { ExtraCertificate } from "../host/extra-certificates.ts";

/** In the guest: all of them in one file, which also tells what the guest was given. */
export const TRUSTED_FILE = "/etc/banger/host-ca.pem";
/** Where tools of the guest's distribution look for certificates to add; each certificate is a file. */
const FOLDERS = [
  { of: "update-ca-certificates", folder: "/usr/local/share/ca-certificates/banger" },
  { of: "update-ca-trust", folder: "/etc/pki/ca-trust/source/anchors/banger" },
];
/** Files that programs read, for guests without such a tool. The first is made where there is none. */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const MAX_BUNDLE = 8 * 1024 * 1024;
const FENCE = { begin: "# banger: this host's certificates\n", end: "# banger: end\n" };
/** An emulated processor takes seconds for it. */
const UPDATE_MS = 120_000;

/**
 * Gives the guest exactly these; none takes back what an earlier start gave. What it has already is left alone. A guest whose
 * trust cannot be changed is told of and goes on.
 */
export async function trustCertificates(
  session: GuestSession,
  certificates: readonly ExtraCertificate[],
  { report, signal }: Work,
): Promise<void> {
  const wanted = certificates.map(({ pem }) => pem).join("");
  try {
    if (((await textOf(session, TRUSTED_FILE)) ?? "") === wanted) return;
    report.stage("trusting this host's certificates", String(certificates.length));
    await removeFile(session, TRUSTED_FILE, { missingOk: true });
    if (!(await update(session, certificates, signal))) await changeBundles(session, wanted);
    // Last: a start that is cut off before does it again.
    if (wanted !== "") await write(session, TRUSTED_FILE, wanted);
  } catch (error) {
    if (!session.isOpen || signal.aborted) throw error;
    report.notice(`trust_host_ca: the guest's trust was not changed: ${(error as Error).message}`);
  }
}

/** By a tool of the guest's own. @returns whether it has one */
async function update(
  session: GuestSession,
  certificates: readonly ExtraCertificate[],
  signal: AbortSignal,
): Promise<boolean> {
  for (const { of: tool, folder } of FOLDERS) {
    await removeFile(session, folder, { recursive: true, missingOk: true });
    if (!(await hasParent(session, folder))) continue;
    if (certificates.length > 0) await makeDirectory(session, folder, { parents: true });
    for (const { fingerprint, pem } of certificates) {
      await write(session, `${folder}/${fingerprint.slice(0, 16)}.crt`, pem);
    }
    const process = await startProcess(session, { argv: [tool], deadlineMs: UPDATE_MS }, { signal }).catch(
      (error: BangerError) => {
        if (error.code === "command_not_found" || error.code === "command_not_executable") return null;
        throw error;
      },
    );
    if (!process) continue;
    process.stdout.resume();
    const [said, { code }] = await Promise.all([buffer(process.stderr), process.exited]);
    if (code === 0) return true;
    const last = said.toString("utf8").trimEnd().split("\n").at(-1) ?? "";
    throw BangerError.of("guest_refused", {
      problem: `${tool} failed: ${last.slice(0, 200)}`,
      hint: `run ${tool} in the guest`,
    });
  }
  return false;
}

/** The folder's own tree is made by the distribution's package, or nobody would look there. */
async function hasParent(session: GuestSession, folder: string): Promise<boolean> {
  const parent = folder.slice(0, folder.lastIndexOf("/"));
  return (await statFile(session, parent, { follow: true }).catch(() => null))?.type === "dir";
}

/** Puts them at the end of the files that programs read, in place of those that an earlier start put there. */
async function changeBundles(session: GuestSession, wanted: string): Promise<void> {
  const there: string[] = [];
  for (const path of BUNDLES) {
    const found = await statFile(session, path).catch(() => null);
    if (found?.type === "file") there.push(path); // a link leads to one of the others
  }
  if (there.length === 0 && wanted !== "") there.push(BUNDLES[0] as string);
  for (const path of there) {
    const [before, after] = without((await textOf(session, path)) ?? "");
    const block = wanted === "" ? "" : `${FENCE.begin}${wanted}${FENCE.end}`;
    await write(session, path, before + block + after);
  }
}

/** What stands before and behind what banger put into a bundle. */
function without(text: string): [before: string, after: string] {
  const begin = text.indexOf(FENCE.begin);
  const end = text.indexOf(FENCE.end, begin);
  if (begin < 0 || end < 0) return [text === "" || text.endsWith("\n") ? text : `${text}\n`, ""];
  return [text.slice(0, begin), text.slice(end + FENCE.end.length)];
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
