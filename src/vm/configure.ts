/** What a guest is told at each start, before `running` (spec 4): identity, clock, entropy, ssh key, git identity. */
import { randomBytes } from "node:crypto";
import { configure, type GuestSession, writeFile } from "../guest/index.ts";
import { gitIdentity } from "../host/git-identity.ts";
import type { Paths } from "../host/paths.ts";
import { ensureSshKey } from "../host/ssh-key.ts";

const ENTROPY_BYTES = 64;

export async function configureGuest(session: GuestSession, name: string, paths: Paths): Promise<void> {
  const [publicKey, gitConfig] = await Promise.all([ensureSshKey(paths), gitIdentity()]);
  await configure(session, {
    hostname: name,
    timeNs: BigInt(Date.now()) * 1_000_000n,
    entropy: randomBytes(ENTROPY_BYTES),
    authorizedKeys: publicKey ? [publicKey] : [],
  });
  if (gitConfig) {
    // Only where the guest has none: what the user changed in the guest stays.
    await writeFile(session, "/root/.gitconfig", Buffer.from(gitConfig), {
      mode: 0o644,
      exclusive: true,
    }).catch(() => {});
  }
}
