import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../../src/host/run.ts";
import { makeSshHostKey } from "../../../src/host/ssh-host-key.ts";
import { findTool } from "../../../src/host/tools.ts";

test("a host key is one that OpenSSH reads, its public half is that of the private one, and no two are the same", async (t) => {
  const keygen = await findTool("ssh-keygen");
  if (!keygen) return t.skip("ssh-keygen is not installed");
  const folder = await mkdtemp(join(tmpdir(), "banger-host-key-"));
  t.after(() => rm(folder, { recursive: true }));
  const seen = new Set<string>();
  for (let round = 0; round < 3; round++) {
    const { privateKey, publicKey } = await makeSshHostKey();
    const file = join(folder, String(round));
    await writeFile(file, privateKey, { mode: 0o600 });
    const { stdout } = await run(keygen, ["-y", "-P", "", "-f", file]);
    assert.equal(stdout.trim(), publicKey.toString().trim());
    seen.add(stdout);
  }
  assert.equal(seen.size, 3);
});
