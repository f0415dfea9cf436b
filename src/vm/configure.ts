/** What a guest is told at each start, before `running` (spec 4): identity, clock, entropy, ssh key, git identity. */
import { randomBytes, randomUUID } from "node:crypto";
import { configure, type GuestSession, type NewIdentity, renew, writeFile } from "../guest/index.ts";
import { type ExtraCertificates, extraCertificates } from "../host/extra-certificates.ts";
import { gitIdentity } from "../host/git-identity.ts";
import { makeSshHostKey } from "../host/ssh-host-key.ts";
import { networkConfiguration } from "../network/addresses.ts";
import type { VmRecord } from "../store/vms.ts";
import type { SshAccess } from "./ssh-access.ts";
import { TRUSTED_FILE } from "./trust.ts";

const ENTROPY_BYTES = 64;

/** What of the host goes into every guest. */
export interface HostIdentity {
  /** banger's public key as a line of authorized_keys; null when the host cannot make one. */
  readonly publicKey: string | null;
  /** The `[user]` section of a git config file; null when the user has none. */
  readonly gitConfig: string | null;
  /** Certificate authorities that the guest is to trust, too; absent: none. */
  readonly trusted?: ExtraCertificates;
}

/** What a guest is given besides what its record says. */
export interface GuestSurroundings {
  /** What the image wants every process to have in its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What it asks for names when it has a network; none: what this host asks. */
  readonly resolvers: readonly string[];
}

/**
 * Reads it; runs git, so it is best begun while the guest still boots.
 * @param trust with the host's own certificate authorities (`trust_host_ca`)
 */
export async function hostIdentity(ssh: SshAccess, trust: boolean): Promise<HostIdentity> {
  const [publicKey, gitConfig, trusted] = await Promise.all([
    ssh.publicKey(),
    gitIdentity(),
    trust ? extraCertificates() : null,
  ]);
  return { publicKey, gitConfig, ...(trusted && { trusted }) };
}

/** Configures a guest; a copy of another machine becomes one of its own first. The image's init starts when this is done. */
export async function configureGuest(
  session: GuestSession,
  { name, nat, borrowed }: Pick<VmRecord, "name" | "nat" | "borrowed">,
  { env: own, resolvers }: GuestSurroundings,
  { publicKey, gitConfig, trusted }: HostIdentity,
): Promise<void> {
  const renewed = borrowed ? renew(session, await newIdentity()) : undefined;
  renewed?.catch(() => {}); // told below: the agent takes one after the other, so nothing waits here
  // Node has certificates of its own and looks nowhere else.
  const env =
    trusted && trusted.certificates.length > 0 ? { NODE_EXTRA_CA_CERTS: TRUSTED_FILE, ...own } : own;
  const configured = configure(session, {
    hostname: name,
    timeNs: BigInt(Date.now()) * 1_000_000n,
    entropy: randomBytes(ENTROPY_BYTES),
    authorizedKeys: publicKey ? [publicKey] : [],
    ...(await networkConfiguration(nat, resolvers)),
    ...(Object.keys(env).length > 0 && { env }),
  });
  // Only where the guest has none: what the user changed in the guest stays.
  const options = { mode: 0o644, exclusive: true };
  const written = gitConfig
    ? writeFile(session, "/root/.gitconfig", Buffer.from(gitConfig), options).catch(() => {})
    : undefined;
  await onTime(session, Promise.all([renewed, configured, written]));
}

const LATE_MS = 500;

/** On a busy host a guest may take what it is told much later: its clock is behind then, and is set once more. */
async function onTime(session: GuestSession, told: Promise<unknown>): Promise<void> {
  const begun = Date.now();
  await told;
  if (Date.now() - begun > LATE_MS) await setClock(session);
}

/** Puts a guest's clock right. */
export async function setClock(
  session: GuestSession,
  options: Parameters<typeof configure>[2] = {},
): Promise<void> {
  await configure(session, { timeNs: BigInt(Date.now()) * 1_000_000n }, options);
}

async function newIdentity(): Promise<NewIdentity> {
  const { privateKey, publicKey } = await makeSshHostKey();
  const machineId = randomUUID().replaceAll("-", "");
  return { machineId, sshHostKey: privateKey, sshHostKeyPublic: publicKey };
}
