/** Which certificates of this host a guest would be given. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { rootCertificates } from "node:tls";
import { extraCertificates } from "../../../src/host/extra-certificates.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { temporaryFolder } from "../../support/temporary.ts";

test("what was added to the host, each once and without the public ones; what cannot be used is told", async (t) => {
  const folder = temporaryFolder(t);
  const added = join(folder, "added");
  mkdirSync(join(added, "deep"), { recursive: true });
  const [one, two] = [await makeCertificate(folder, "one"), await makeCertificate(folder, "two")];
  const [first, second] = [readFileSync(one.certificate), readFileSync(two.certificate)];
  writeFileSync(join(added, "one.crt"), `a comment\n${first}`);
  writeFileSync(join(added, "deep/both.pem"), `${first}\n${second}${rootCertificates[0]}\n`);
  writeFileSync(join(added, "notes.txt"), second);
  writeFileSync(join(added, "empty.crt"), "");
  writeFileSync(
    join(added, "damaged.crt"),
    String(first).replace(/\n[A-Za-z0-9+/]{20}/, "\nAAAAAAAAAAAAAAAAAAAA"),
  );
  writeFileSync(join(added, "large.crt"), Buffer.alloc(2 << 20, "x"));
  symlinkSync("/nowhere", join(added, "dangling.crt"));
  execFileSync("mkfifo", [join(added, "pipe.crt")]);
  const { certificates, problems } = await extraCertificates({}, [added, join(folder, "none")]);
  assert.deepEqual(
    new Set(certificates.map(({ pem }) => pem.trim())),
    new Set([String(first).trim(), String(second).trim()]),
  );
  assert.deepEqual(
    certificates,
    certificates.toSorted((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1)),
  );
  const about = problems.map((text) => /(\w+)\.crt: /.exec(text)?.[1]).sort();
  assert.deepEqual(about, ["damaged", "dangling", "empty", "large", "pipe"]);
});

test("the file that NODE_EXTRA_CA_CERTS names; nothing where nothing was added", async (t) => {
  const folder = temporaryFolder(t);
  const { certificate } = await makeCertificate(folder, "own");
  const named = await extraCertificates({ NODE_EXTRA_CA_CERTS: certificate }, []);
  assert.equal(named.certificates[0]?.pem.trim(), readFileSync(certificate, "utf8").trim());
  assert.match(named.certificates[0]?.fingerprint ?? "", /^[0-9a-f]{64}$/);
  assert.deepEqual(await extraCertificates({}, []), { certificates: [], problems: [] });
});
