/** Certificates that nobody trusts who was not told to: each its own authority. */
import { join } from "node:path";
import { run } from "../../src/host/run.ts";

export interface TestCertificate {
  /** Files in PEM form. */
  readonly certificate: string;
  readonly key: string;
}

/** @param address that a server with it has */
export async function makeCertificate(
  folder: string,
  name = "cert",
  address = "127.0.0.1",
): Promise<TestCertificate> {
  const made = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}-key.pem`) };
  await run("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
    ...["-subj", `/CN=banger-test-${name}`, "-addext", `subjectAltName=IP:${address}`],
    ...["-keyout", made.key, "-out", made.certificate],
  ]);
  return made;
}
