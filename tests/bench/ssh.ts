/** A bare VM with a network and sshd, reached by OpenSSH through QEMU's port forwarding. */
import { mkdtemp, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { waitSystem, writeFile } from "../../src/guest/index.ts";
import type { Vm } from "../../src/sdk/index.ts";
import { type BareVm, inBare, prepareBare, startBare } from "./bare.ts";
import { program } from "./programs.ts";
import type { BenchHome } from "./setting.ts";

/** Of the card that leads out; every VM has another one for `--nat`, which nobody is connected to here. */
const MAC = "52:54:00:62:65:01";

export interface SshVm extends BareVm {
  /** Arguments of `ssh` up to the command. */
  readonly ssh: readonly string[];
}

export async function startSshVm(home: BenchHome, like: Vm): Promise<SshVm> {
  const port = await freePort();
  const folder = await mkdtemp(join(home.path, "ssh-"));
  const key = join(folder, "id");
  await program("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key], home.env);
  const vm = await startBare(await prepareBare(home.path, like), home.emulator, [
    ...["-netdev", `user,id=n,hostfwd=tcp:127.0.0.1:${port}-:22`],
    ...["-device", `virtio-net-device,netdev=n,mac=${MAC}`],
  ]);
  await configure(vm, key).catch(async (error) => {
    await vm.end();
    throw error;
  });
  const ssh = [
    ...["-F", "none", "-p", String(port), "-i", key, "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"],
    ...["-o", "StrictHostKeyChecking=accept-new", "-o", `UserKnownHostsFile=${join(folder, "known_hosts")}`],
    "root@127.0.0.1",
  ];
  await program("ssh", [...ssh, "true"], home.env).catch(async (error) => {
    const log = await inBare(vm, "ip -br addr; journalctl -b --no-pager -n 20").catch(String);
    await vm.end();
    throw new Error(`${error.message}\n${log}`);
  });
  return { ...vm, ssh };
}

async function configure(vm: BareVm, key: string): Promise<void> {
  await waitSystem(vm.session);
  await writeFile(vm.session, "/root/.ssh/authorized_keys", await readFile(`${key}.pub`), {
    mode: 0o600,
    makeParents: true,
  });
  await inBare(
    vm,
    `chmod 700 /root /root/.ssh; modprobe virtio_net
     card=$(grep -l ${MAC} /sys/class/net/*/address | cut -d/ -f5)
     ip link set "$card" up; ip addr add 10.0.2.15/24 dev "$card"; ip route add default via 10.0.2.2
     ssh-keygen -A >/dev/null; systemctl restart ssh`,
  );
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
