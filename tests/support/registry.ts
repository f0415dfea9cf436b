/** Debian's docker-registry on loopback, for one test file: plain, with a login, or with TLS. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/host/run.ts";
import { findTool } from "../../src/host/tools.ts";
import { makeCertificate } from "./certificate.ts";

export interface TestRegistry extends AsyncDisposable {
  /** Host and port. */
  readonly host: string;
  /** Its certificate, when it speaks TLS. */
  readonly certificate: string | null;
  readonly login: { readonly username: string; readonly password: string } | null;
  /** Copies an image of an OCI layout into it, with skopeo. @returns its reference */
  push(layout: string, image: string, name: string): Promise<string>;
}

/** Why the tests with real registries cannot run here, or false. */
export async function registriesMissing(): Promise<string | false> {
  if (process.getuid?.() !== 0) return "making images with umoci needs root";
  for (const tool of ["docker-registry", "skopeo", "umoci", "htpasswd", "openssl", "unsquashfs"]) {
    if (!(await findTool(tool))) return `${tool} is not installed`;
  }
  return false;
}

export async function startRegistry(options: { login?: boolean; tls?: boolean } = {}): Promise<TestRegistry> {
  const folder = await mkdtemp(join(tmpdir(), "banger-registry-"));
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const certificate = options.tls ? await makeCertificate(folder) : null;
  const login = options.login ? { username: "reader", password: "s3cret-word" } : null;
  if (login) {
    const { stdout } = await run("htpasswd", ["-Bbn", login.username, login.password]);
    await writeFile(join(folder, "htpasswd"), stdout);
  }
  const config = {
    version: "0.1",
    log: { level: "error" },
    storage: { filesystem: { rootdirectory: join(folder, "data") } },
    http: { addr: host, ...(certificate && { tls: certificate }) },
    ...(login && { auth: { htpasswd: { realm: "test", path: join(folder, "htpasswd") } } }),
  };
  await writeFile(join(folder, "config.yml"), JSON.stringify(config)); // JSON is YAML
  const child = spawn("docker-registry", ["serve", join(folder, "config.yml")], {
    stdio: "ignore",
    env: { PATH: process.env.PATH, OTEL_TRACES_EXPORTER: "none" },
  });
  await listening(port, child);
  return {
    host,
    certificate: certificate?.certificate ?? null,
    login,
    async push(layout, image, name) {
      const credentials = login ? ["--dest-creds", `${login.username}:${login.password}`] : [];
      const target = `docker://${host}/${name}`;
      await run("skopeo", [
        "copy",
        "-q",
        "--dest-tls-verify=false",
        ...credentials,
        `oci:${layout}:${image}`,
        target,
      ]);
      return `${host}/${name}`;
    },
    async [Symbol.asyncDispose]() {
      const gone = new Promise((resolve) => child.once("close", resolve));
      child.kill();
      await gone;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  await new Promise((resolve) => server.close(resolve));
  return address.port;
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  const ended = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`docker-registry ended with code ${code}`)));
  });
  ended.catch(() => {});
  const answers = async () => {
    const socket = connect(port, "127.0.0.1");
    try {
      await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
      return true;
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  };
  // It has no way to tell that it listens.
  while (!(await Promise.race([answers(), ended])));
}
