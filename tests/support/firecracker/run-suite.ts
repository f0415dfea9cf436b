/**
 * `npm run test:double [-- --jailer] tests/vm/x.test.ts…`: runs test files as BANGER_TEST_FIRECRACKER does, on the double:
 * for hosts where the real program or KVM is missing. It needs root, as every such host does that is made for tests. With
 * --jailer the jailer's double starts it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findTool } from "../../../src/host/tools.ts";
import { onKvmHost, provingQemu } from "../kvm-host.ts";
import { installDouble, installJailer } from "./install.ts";

const JAILER = "--jailer";

const folder = mkdtempSync(join(tmpdir(), "banger-suite-"));
chmodSync(folder, 0o755); // for tests as an ordinary user
try {
  const { program, path } = await installDouble(folder, { guest: "qemu" });
  if (process.argv.includes(JAILER)) installJailer({ program, path });
  provingQemu(path, (await findTool("qemu-system-x86_64")) ?? "qemu-system-x86_64");
  const options = ["--test", "--test-concurrency=1", "--test-timeout=900000"];
  const setup = "--test-global-setup=tests/support/global-setup.ts";
  const files = process.argv.slice(2).filter((argument) => argument !== JAILER);
  const node = [process.execPath, ...options, setup, ...files];
  const [command = "", ...args] = [...onKvmHost(folder, "usable"), ...node];
  const named = { BANGER_TEST_FIRECRACKER: program, DOUBLE_SUITE: "1" };
  const env = { ...process.env, PATH: `${path}:${process.env.PATH}`, ...named };
  const [code] = await once(spawn(command, args, { env, stdio: "inherit" }), "close");
  process.exitCode = code ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
