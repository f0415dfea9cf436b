/** The tap that a guest has under Firecracker's jailer: whose it is, what it carries, what whoever took the monitor over gets of it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { openGuest, startProcess } from "../../src/guest/index.ts";
import { findByUser } from "../../src/host/processes.ts";
import type { Machine } from "../../src/vmm/driver.ts";
import { jailedTapProblem, TAP, TUN } from "../../src/vmm/firecracker/tap.ts";
import { JAIL_GROUP } from "../../src/vmm/jail/jail-user.ts";
import { installDouble, installJailer, recordedCalls, START } from "../support/firecracker/install.ts";
import { jailedBed } from "../support/firecracker/jailed-bed.ts";
import { says } from "../support/firecracker/says.ts";
import { agentBinary } from "../support/hosted-agent.ts";
import { jailsMissing } from "../support/jails-missing.ts";
import { ECHO, framed, HEADER, LARGEST, sent } from "../support/tap-guest.ts";

/** Prints 0 when a process may be traced, or else a child of its own. PTRACE_SEIZE stops nobody. */
const TRACE = `perl -e '
  my $of = shift || fork || do { sleep 60; exit };
  print syscall(${process.arch === "x64" ? 101 : 117}, 0x4206, $of + 0, 0, 0);
  kill 9, $of if $of > 1'`;

describe("a tap under the jailer", {
  skip: jailsMissing || ((await jailedTapProblem()) ?? false),
}, async () => {
  const home = mkdtempSync(join(tmpdir(), "banger-jailed-tap-"));
  after(() => rmSync(home, { recursive: true }));
  const double = await installDouble(home);
  const agent = join(double.path, "agent");
  before(() => {
    installJailer(double);
    copyFileSync(agentBinary(), agent); // the double shows its own folder in the jail
    double.plan({ guest: "agent", agent });
  });
  const bed = (t: TestContext) => jailedBed(t, { program: double.program, cache: home });

  /** Who carries its frames: process 1 of the jail, whose child the monitor is. */
  function helperOf({ handle }: Machine): number {
    const children = readFileSync(`/proc/${handle.pid}/task/${handle.pid}/children`, "latin1");
    return Number(children.trim());
  }

  test("is the VM's user's alone, and so is who carries its frames, with no right and few system calls", async (t) => {
    const it = bed(t);
    const machine = await it.launch();
    assert.deepEqual(
      recordedCalls(machine.handle.inside ?? "").map(({ method, path }) => `${method} ${path}`),
      START,
    );
    const status = readFileSync(`/proc/${helperOf(machine)}/status`, "latin1");
    const ids = [it.user, it.user, it.user, it.user].join("\t");
    assert.match(status, new RegExp(`^Uid:\t${ids}$`, "m"));
    assert.match(status, new RegExp(`^Gid:\t${JAIL_GROUP}\t`, "m"));
    for (const line of [
      /^Groups:\t ?$/m,
      /^CapPrm:\t0+$/m,
      /^CapBnd:\t0+$/m,
      /^NoNewPrivs:\t1$/m,
      /^Seccomp:\t2$/m,
    ])
      assert.match(status, line);
    assert.equal(await says(machine, `cat /proc/net/dev | tail -n +3 | cut -d: -f1 | xargs`), `lo ${TAP}\n`);
  });

  test("has its frames carried as they are, to a socket that is not in the jail", async (t) => {
    const machine = await bed(t).launch();
    const session = await openGuest(await machine.connectAgent(), { timeoutMs: 20_000 });
    t.after(() => session.close());
    const guest = await startProcess(session, { argv: ["perl", "-e", ECHO] });
    await once(guest.stdout, "data");
    for (const size of [60, LARGEST]) {
      const frame = framed(Buffer.concat([HEADER, Buffer.alloc(size - HEADER.length, "frame")]));
      assert.deepEqual(await sent(join(machine.handle.directory, "net.sock"), frame), frame);
    }
    assert.ok(!existsSync(join(machine.handle.inside ?? "", "net.sock")));
  });

  test("gives a planted program nothing: neither its carrier, nor another device, nor a way past it", async (t) => {
    const server = createServer((socket) => socket.end()).listen(0, "0.0.0.0");
    t.after(() => server.close());
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const machine = await bed(t).launch();
    assert.equal(await says(machine, TRACE), "0", "tracing works where it may");
    const attempts = {
      "trace who carries its frames": `test "$(${TRACE} 1)" = 0`,
      "read its environment": "cat /proc/1/environ",
      "read its memory": "exec 3</proc/1/mem",
      "see the host through its root": "ls /proc/1/root/",
      "use its descriptors": "ls /proc/1/fd/",
      "make another device": `perl -e 'open(my $f, "+<", "${TUN}") or die; ioctl($f, 0x400454ca, pack("a16 s x22", "tap1", 2)) or die'`,
      "send frames past it": "perl -e 'socket(my $s, 17, 3, 0x0300) or die'",
      "change its device": `ip link set ${TAP} down`,
      "give it an address": `ip addr add 10.9.9.9/24 dev ${TAP}`,
      "reach the host's ports": `perl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => ${port}) or die'`,
    };
    for (const [what, how] of Object.entries(attempts))
      assert.equal(await says(machine, `if (${how}) >/dev/null 2>&1; then echo reached; fi`), "", what);
    await says(machine, "kill -9 1"); // the first of its namespace: nobody in there ends it
    assert.equal(await says(machine, "echo on"), "on\n");
  });

  test("ends with who carries its frames, which takes the monitor along, and nothing is left", async (t) => {
    const it = bed(t);
    const machine = await it.launch();
    process.kill(helperOf(machine), "SIGKILL");
    assert.equal((await machine.exited).expected, false);
    assert.deepEqual(findByUser(it.user), []);
    it.assertNothingLeft();
  });
});
