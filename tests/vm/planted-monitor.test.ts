/**
 * An attacker who has taken a monitor over: a program of ours is started in a monitor's place, by each driver, with the very
 * confinement that the monitor has, and tries what such an attacker would. Outside of it every attempt succeeds.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { usableGroups } from "../../src/host/control-groups.ts";
import type { Driver, LaunchSpec } from "../../src/vmm/driver.ts";
import { firecrackerDriver } from "../../src/vmm/firecracker/driver.ts";
import { usableBubblewrap } from "../../src/vmm/jail/bubblewrap.ts";
import { groupName } from "../../src/vmm/jail/limits.ts";
import { qemuDriver } from "../../src/vmm/qemu/driver.ts";
import { installJailer } from "../support/firecracker/install.ts";
import { makeHome } from "../support/home.ts";
import { jailsMissing } from "../support/jails-missing.ts";
import { launchSpec, quietly } from "../support/launch-spec.ts";

/** More than a monitor of the planted one's sizes may have, where control groups can be made. */
const EXCESSES = {
  "have more processes than its limit":
    "perl -e 'for (1 .. 300) { my $p = fork; exit 1 unless defined $p; exec \"sleep\", 30 unless $p; push @p, $p } END { kill 9, @p }'",
  "have more memory than its limit": "perl -e '$x = \"b\" x (1400 << 20)'",
};
/** Where attempts are noted: the one file that a monitor may write in every jail. */
const RESULTS = "state.ext4";

describe("a program in a monitor's place", async () => {
  const home = await makeHome();
  let server: Server;
  let planted: string;
  let attempts: string[];

  before(async () => {
    using banger = await home.connect();
    const { pid } = await banger.status();
    server = createServer((socket) => socket.end("reached\n")).listen(0, "127.0.0.1");
    const other = (await launchSpec(home, "other-vm", "tcg")).disks.state;
    mkdirSync(join(home.path, ".ssh"), { mode: 0o700 });
    const key = join(home.path, ".ssh/id_ed25519");
    writeFileSync(key, "a private key", { mode: 0o600 });
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const script = attackScript({
      "read another VM's disk": `head -c 1 '${other}'`,
      "write another VM's disk": `: >>'${other}'`,
      "list the user's home": `ls '${home.path}/.local/state/banger/state.db'`,
      "read the user's keys": `cat '${key}'`,
      "read the host's passwords": "cat /etc/shadow /etc/passwd",
      "see the daemon's socket": `test -S '${home.state}/run/banger.sock'`,
      "see the daemon's process": `test -e /proc/${pid}/status`,
      "read the daemon's environment": `cat /proc/${pid}/environ`,
      "read the daemon's memory": `exec 3<>/proc/${pid}/mem`,
      "signal the daemon": `kill -0 ${pid}`,
      "connect to a port of the host": `exec 3<>/dev/tcp/127.0.0.1/${port}`,
      "have more than a loopback and the guest's tap": `test "$(tail -n +3 /proc/net/dev | grep -vcE '^ *(lo|tap0):')" -gt 0`,
      "set its network up": "ip link set lo up",
      "get at frames past the guard": "perl -e 'socket(my $s, 17, 3, 0x0300) or die'",
      "use a disk device or memory device of the host": "ls /dev/mem /dev/kmsg /dev/sda /dev/vda | grep -q .",
      "write among the host's programs": "touch /usr/bin/.banger-test && rm /usr/bin/.banger-test",
      "write beside its folder": `for at in '${home.path}' / /tmp /dev/shm; do [ "$at" = "$PWD" ] && continue; touch "$at/.banger-test" && rm "$at/.banger-test" && exit; done; false`,
      "find other users' processes": `test "$(ls -d /proc/[0-9]* | wc -l)" -gt 8`,
      "have a capability": "! grep -q '^CapEff:.0*$' /proc/self/status",
      "enter the daemon's namespaces": `nsenter --target ${pid} --mount --net true`,
      "make a device": "mknod device c 1 1 && rm device",
      "follow another's root": `ls /proc/${pid}/root/etc`,
      "be root": 'test "$(id -u)" = 0',
      ...((await usableGroups()) ? EXCESSES : {}),
      "gain privileges by setuid programs": "! grep -q '^NoNewPrivs:.1$' /proc/self/status",
    });
    attempts = script.attempts;
    planted = join(mkdtempSync(join(home.path, "planted-")), "firecracker");
    writeFileSync(planted, script.text, { mode: 0o755 });
  });

  after(() => server.close());

  /** What each attempt came to; a disk has zeros behind it. */
  const results = (folder: string) =>
    readFileSync(join(folder, RESULTS), "utf8").replaceAll("\0", "").trim().split("\n");

  test("outside of the confinement reaches everything: the attempts are real", (t) => {
    if (process.getuid?.() !== 0) return t.skip("only root reaches all of it");
    const folder = mkdtempSync(join(home.path, "free-"));
    try {
      execFileSync(planted, { cwd: folder, stdio: "ignore" });
    } catch {
      // it always ends with a failure, as a monitor that could not start
    }
    const failed = results(folder).filter((line) => line.startsWith("failed"));
    assert.deepEqual(
      failed.filter((line) => !/loopback|disk device/.test(line)),
      [],
    );
  });

  const accelerator = async () => ({ accelerator: "kvm", why: "nothing is started" }) as const;
  const cache = join(home.path, ".cache/banger");
  const drivers: Record<string, () => Driver> = {
    qemu: () => qemuDriver({ program: planted, cache, accelerator }),
    firecracker: () => firecrackerDriver({ program: planted, cache, accelerator }),
    jailer: () => {
      const path = mkdtempSync(join(home.path, "jailed-"));
      const program = join(path, "firecracker");
      copyFileSync(planted, program);
      installJailer({ program, path });
      return firecrackerDriver({ program, cache, owned: [home.state, cache], accelerator });
    },
  };
  for (const [name, driver] of Object.entries(drivers)) {
    test(`of ${name} reaches nothing but its VM`, async (t) => {
      if (!(await usableGroups())) t.diagnostic("control groups cannot be made here: no limits are tried");
      if (name === "jailer" && jailsMissing) return t.skip(jailsMissing);
      if (name !== "jailer" && !(await usableBubblewrap())) return t.skip("bubblewrap cannot be used here");
      const spec: LaunchSpec = await launchSpec(home, `vm-${name}`, "kvm");
      await assert.rejects(driver().launch(spec, quietly.signal), /ended at once|planted/);
      const reached = results(spec.directory);
      assert.deepEqual(
        reached.filter((line) => line.startsWith("reached")),
        [],
      );
      assert.equal(reached.length, attempts.length, "every attempt was made");
      const place = await usableGroups();
      const group = place && join(place.pids, groupName(spec.directory));
      assert.ok(group === null || !existsSync(group), "its control group is gone");
    });
  }
});

/** A script that makes all attempts, each in a shell of its own, and notes in its folder what they came to. */
function attackScript(attempts: Record<string, string>): { text: string; attempts: string[] } {
  const lines = Object.entries(attempts).map(
    ([what, how]) =>
      `if (${how}) >/dev/null 2>&1; then echo "reached: ${what}"; else echo "failed: ${what}"; fi >>${RESULTS}`,
  );
  return {
    text: `#!/bin/bash\n[ "$1" = --version ] && echo Firecracker v1.17.0 && exit\n: >${RESULTS}\n${lines.join("\n")}\necho 'the planted program ends' >&2\nexit 1\n`,
    attempts: Object.keys(attempts),
  };
}
