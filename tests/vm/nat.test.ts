/**
 * `--nat`: what a guest reaches and what it does not, with real packets, to servers in a network namespace; on QEMU, on
 * Firecracker where BANGER_TEST_FIRECRACKER names one, and on its double, whose guest has the tap that a Firecracker would be given,
 * in bubblewrap and under its jailer.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import type { CreateOptions, Sandbox } from "../../src/sdk/index.ts";
import { daemonDrivers, jailedDouble } from "../support/daemon-drivers.ts";
import { DoubleHost } from "../support/double-host.ts";
import { makeHome } from "../support/home.ts";
import { makeOrdinaryUser, ordinaryUserMissing } from "../support/ordinary-user.ts";
import { type OtherMachine, otherMachineMissing, startOtherMachine } from "../support/other-machine.ts";
import { onDouble, suiteDriver } from "../support/suite-driver.ts";

const run = promisify(execFile);
const MIB = 1024 * 1024;

/**
 * How often a transfer without a limit may take longer than one with: into a guest one stands still for many seconds now and then
 * (18 s where 0.6 are usual, with either driver), probably until passt of Debian 12 sends again what a full queue had no place for.
 */
const ATTEMPTS = 5;

/** Connects, asks for a number of bytes, prints them. An address that does not answer: nothing, after some seconds. */
const FETCH = `
  use IO::Socket::INET;
  my ($to, $port, $count, $wait) = @ARGV;
  my $s = IO::Socket::INET->new(PeerAddr => $to, PeerPort => $port, Timeout => $wait) or exit 1;
  syswrite $s, "$count\\n";
  print $b while sysread $s, $b, 65536;`;

/** Sends a number of bytes and prints what the other end says of them. */
const SEND = `
  use IO::Socket::INET;
  my ($to, $port, $count) = @ARGV;
  my $s = IO::Socket::INET->new(PeerAddr => $to, PeerPort => $port, Timeout => 10) or exit 1;
  print $s "$count\n";
  for (; $count > 0; $count -= 65536) { print $s "b" x 65536; }
  $s->flush;
  print $b while sysread $s, $b, 100;`;

/** Packets made by hand, as root can: a TCP connection's first and a UDP one, from and to the addresses given, in pairs. */
const CRAFT = `
  use Socket;
  my $port = shift;
  socket(my $s, 17, 3, 0x0300) or die $!;
  open my $f, "<", "/sys/class/net/eth0/ifindex"; my $index = <$f>;
  my $link = pack "SniSCCa8", 17, 0x0800, $index, 0, 0, 6, "\\xff" x 6;
  open my $m, "<", "/sys/class/net/eth0/address"; my $mac = pack "H12", join "", split /[:\\n]/, <$m>;
  while (@ARGV) {
    my ($from, $to) = map { inet_aton $_ } splice @ARGV, 0, 2;
    for ([6, pack("nnNNCCnnn", ++$n + 40000, $port, 1, 0, 0x50, 2, 64240, 0, 0)], [17, pack("nnnn", $n + 40000, $port, 13, 0) . "hello"]) {
      my ($protocol, $inner) = @$_;
      my $ip = pack "CCnnnCCna4a4", 0x45, 0, 20 + length $inner, 1, 0, 64, $protocol, 0, $from, $to;
      send $s, "\\xff" x 6 . $mac . pack("n", 0x0800) . $ip . $inner, 0, $link or die $!;
    }
  }`;

const host = await DoubleHost.make({ guest: "qemu" });
const home = await makeHome();

const noOther = await otherMachineMissing(); // not between the suites: the file would end with the first that is skipped
/** Why an ordinary user's VM of this run's driver has no network; false when it has. */
const tapForOthersMissing =
  suiteDriver() === "firecracker" &&
  ((statSync("/dev/net/tun", { throwIfNoEntry: false })?.mode ?? 0) & 0o006) !== 0o006 &&
  "/dev/net/tun is root's alone here: an ordinary user's Firecracker has no tap";
/** Where what is the same code for every driver is tried. */
const ONCE = onDouble() ? "the double" : "qemu";

const drivers = [...daemonDrivers(host, home), jailedDouble(host, home)];
for (const { title, driver, missing, configure, begin } of drivers) {
  describe(`outbound network on ${title}`, { skip: noOther || missing }, async () => {
    let other: OtherMachine;
    let vm: Sandbox;
    const sameForAll = title !== ONCE && `the same code for every driver: tried with ${ONCE}`;
    const create = async (options: Omit<CreateOptions, "driver" | "memoryMib">) =>
      (await home.connect()).create({ ...options, driver, memoryMib: 512 });
    before(async () => {
      other = await startOtherMachine();
      await configure();
      assert.equal((await begin()).code, 0);
      vm = (await create({ name: "plain" })).keep();
    });
    after(async () => {
      await other.remove(); // its servers would keep this process
      await vm.delete();
      await home.run(["daemon", "stop"]);
    });

    const fetch = (from: Sandbox, address = other.address, port = 7000, wait = 10) =>
      from.exec(["perl", "-e", FETCH, address, String(port), "6", String(wait)]);
    const craft = (from: Sandbox, port: number, pairs: readonly string[]) =>
      from.exec(["perl", "-e", CRAFT, String(port), ...pairs]);
    const guardOf = async ({ id }: Sandbox): Promise<number> =>
      JSON.parse(await readFile(join(home.state, "vms", id, "nat.json"), "utf8")).pid;
    const passtOf = async (of: Sandbox) =>
      Number((await run("pgrep", ["-P", String(await guardOf(of))])).stdout);

    test("there is none by default: no address, no route, no resolver, nothing that carries it", async () => {
      const { text } = await vm.exec([
        "sh",
        "-c",
        "ip -o addr | grep -v ' lo '; ip route; ip -6 route; cat /etc/resolv.conf",
      ]);
      assert.equal(text.trim(), "");
      await assert.rejects(guardOf(vm), { code: "ENOENT" });
      assert.notEqual((await fetch(vm, other.address, 7000, 2)).exitCode, 0);
    });

    test("a running VM is given one: TCP byte for byte, and names", async () => {
      await vm.set({ nat: true });
      assert.equal((await fetch(vm)).text, "banger");
      const size = 10 * MIB;
      const { text } = await vm.exec([
        "sh",
        "-c",
        'perl -e "$1" "$2" 7000 "$3" 10 | sha256sum',
        "sh",
        FETCH,
        other.address,
        String(size),
      ]);
      assert.equal(
        text.split(" ")[0],
        createHash("sha256").update(Buffer.alloc(size, "banger")).digest("hex"),
      );
      const resolvers = await vm.exec(["cat", "/etc/resolv.conf"]);
      assert.match(resolvers.text, /^nameserver \d/);
      const name = await vm.exec([
        "sh",
        "-c",
        `echo nameserver ${other.address} >/etc/resolv.conf; getent ahostsv4 some.example`,
      ]);
      assert.equal(name.text.split(" ")[0], other.address);
    });

    test("no address of this host is reached, also with packets made by hand", async (t) => {
      const reached: string[] = [];
      const tcp = createServer((socket) => {
        reached.push(`tcp from ${socket.remoteAddress}`);
        socket.end();
      }).listen(0, "0.0.0.0");
      t.after(() => tcp.close());
      await once(tcp, "listening");
      const { port } = tcp.address() as { port: number };
      const udp = createSocket("udp4", (_, from) => reached.push(`udp from ${from.address}`)).bind(
        port,
        "0.0.0.0",
      );
      t.after(() => udp.close());
      await once(udp, "listening");
      const own = Object.values(networkInterfaces())
        .flatMap((list) => list ?? [])
        .filter(({ family }) => family === "IPv4")
        .map(({ address }) => address);
      assert.ok(own.includes(other.host));
      const hosts = [...own, "10.0.2.2", "10.0.2.3", "0.0.0.0", "127.1.2.3", "169.254.169.254"];
      // Connected to as programs do: 127.0.0.0/8 and 0.0.0.0 are the guest itself then.
      const answers = await Promise.all(hosts.map((address) => fetch(vm, address, port, 3)));
      assert.deepEqual(
        hosts.filter((_, at) => answers[at]?.exitCode === 0),
        [],
      );
      const self = "10.0.2.15";
      const pairs = [...hosts, "10.0.2.255", "255.255.255.255", "224.0.0.1"].flatMap((to) => [self, to]);
      const strange = ["127.0.0.1", "0.0.0.0", "10.0.2.2", other.host].flatMap((from) => [from, "127.0.0.1"]);
      assert.equal((await craft(vm, port, [...pairs, ...strange])).exitCode, 0);
      // The same program does reach what may be reached; and what it sent before was dealt with before.
      const asked = other.asked();
      assert.equal((await craft(vm, 7000, [self, other.address])).exitCode, 0);
      assert.equal(await asked, "tcp");
      assert.equal((await fetch(vm)).text, "banger");
      assert.deepEqual(reached, []);
    });

    test("two VMs have the same address and do not see each other; one made with --nat has it after a restart, too", async () => {
      await using second = await create({ name: "second", nat: true });
      assert.equal((await fetch(second)).text, "banger");
      const frames = async () =>
        (await second.exec(["cat", "/sys/class/net/eth0/statistics/rx_packets"])).text;
      const before = await frames();
      await craft(vm, 7000, ["10.0.2.15", "10.0.2.15", "10.0.2.2", "10.0.2.15", "10.0.2.15", "10.0.2.255"]);
      await vm.exec(["sh", "-c", "ip neigh flush all; ping -c1 -W1 10.0.2.9"]);
      assert.equal((await fetch(vm)).text, "banger");
      assert.equal(await frames(), before);
      const guard = await guardOf(second);
      await second.restart();
      assert.notEqual(await guardOf(second), guard);
      assert.equal((await fetch(second)).text, "banger");
    });

    test("default_dns is what a guest asks, from the next VM that is given a network on", {
      skip: sameForAll,
    }, async () => {
      await configure(`default_dns = ["${other.address}"]\n`);
      await vm.set({ nat: false });
      await vm.set({ nat: true });
      const script = "cat /etc/resolv.conf; getent ahostsv4 some.example";
      const { text } = await vm.exec(["sh", "-c", script]);
      assert.match(text, new RegExp(`^nameserver ${other.address}\n${other.address} `));
      await configure();
      await vm.restart();
      const { text: again } = await vm.exec(["cat", "/etc/resolv.conf"]);
      assert.doesNotMatch(again, new RegExp(other.address));
    });

    test("an ordinary user has the same", {
      skip: sameForAll || tapForOthersMissing || (await ordinaryUserMissing()),
    }, async () => {
      const user = await makeOrdinaryUser();
      try {
        const made = await user.run(["vm", "run", "-d", "--nat", "--name", "own", "--memory", "512M"]);
        assert.deepEqual([made.code, made.stdout], [0, "own\n"], made.stderr);
        assert.doesNotMatch(made.stderr, /no outbound network|unconfined/);
        const to = [FETCH, other.address, "7000", "6", "10"];
        const inGuest = async () => (await user.run(["vm", "exec", "own", "--", "perl", "-e", ...to])).stdout;
        assert.equal(await inGuest(), "banger");
        assert.match((await user.run(["ps"])).stdout, /^own +running .* 10\.0\.2\.15 /m);
        const { stdout } = await run("ps", ["-o", "comm=", "-u", String(user.uid)]);
        // The driver is the run's; the double's guest is a QEMU, too.
        const monitor = suiteDriver() === "qemu" || onDouble() ? "qemu-system-x86" : "firecracker";
        for (const part of [monitor, "banger-agent", "passt"])
          assert.ok(stdout.includes(part), `${part} is the user's own, not root's: ${stdout}`);
        for (const state of ["off", "on"]) {
          const set = await user.run(["vm", "set", "own", "--nat", state]);
          assert.equal(set.code, 0, set.stderr);
        }
        assert.equal(await inGuest(), "banger");
      } finally {
        await user.remove();
      }
    });

    test("a limit of its speed holds each way", async () => {
      const netRate = { bytesPerSecond: 4 * MIB };
      await using slow = await create({ name: "slow", nat: true, netRate });
      const size = 8 * MIB;
      const timed = async (from: Sandbox, program: string, port: number) => {
        const begun = performance.now();
        const { text } = await from.exec([
          ...["sh", "-c", 'perl -e "$@" | tail -c 16', "sh"],
          ...[program, other.address, String(port), String(size), "10"],
        ]);
        return { text, ms: Math.round(performance.now() - begun) };
      };
      for (const [program, port, said] of [
        [FETCH, 7000, /banger/],
        [SEND, 7001, new RegExp(`^${size}$`)],
      ] as const) {
        const limited = await timed(slow, program, port);
        assert.match(limited.text, said);
        assert.ok(limited.ms > 1500, `8 MiB at 4 MiB/s took ${limited.ms} ms`);
        let free = Number.POSITIVE_INFINITY;
        for (let attempt = 0; attempt < ATTEMPTS && free >= limited.ms; attempt++) {
          const { text, ms } = await timed(vm, program, port);
          assert.match(text, said);
          free = Math.min(free, ms);
        }
        assert.ok(free < limited.ms, `without a limit ${free} ms, with one ${limited.ms} ms`);
      }
    });

    test("it outlives a daemon that is killed", async () => {
      const guard = await guardOf(vm);
      await home.killDaemon();
      assert.equal((await begin()).code, 0);
      vm = (await (await home.connect()).get("plain")).keep();
      assert.equal(await guardOf(vm), guard);
      assert.equal((await fetch(vm)).text, "banger");
      assert.equal((await vm.refresh()).nat_problem, null);
    });

    test("a fork has a way out of its own: both reach, and the copy's end leaves the VM's alone", async () => {
      const addresses = "cat /sys/class/net/eth0/address; ip -4 -o addr show eth0; ip route";
      const [copy] = await vm.fork({ name: "copy" });
      assert.ok(copy);
      // The same in every VM: they do not touch each other.
      const [mine, theirs] = await Promise.all([vm, copy].map((it) => it.exec(["sh", "-c", addresses])));
      assert.equal(theirs?.text, mine?.text);
      assert.match(theirs?.text ?? "", /10\.0\.2\.15\/24/);
      assert.notEqual(await guardOf(copy), await guardOf(vm));
      assert.deepEqual(await Promise.all([vm, copy].map(async (it) => (await fetch(it)).text)), [
        "banger",
        "banger",
      ]);
      await copy.delete();
      assert.equal((await fetch(vm)).text, "banger");
    });

    test("passt that is killed is started again; again and again is told", { skip: sameForAll }, async () => {
      for (let killed = 0; killed < 3; killed++) {
        process.kill(await passtOf(vm), "SIGKILL");
        assert.equal((await fetch(vm, other.address, 7000, 20)).text, "banger");
      }
      process.kill(await passtOf(vm), "SIGKILL");
      assert.notEqual((await fetch(vm, other.address, 7000, 3)).exitCode, 0);
      assert.match((await vm.refresh()).nat_problem ?? "", /ended by itself/);
      assert.match((await home.run(["vm", "show", "plain"])).stdout, /nat \(not working: /);
    });

    test("it is turned on again, and off: its connections end, nothing is left, nothing is reached", async () => {
      const on = await home.run(["vm", "set", "plain", "--nat", "on"]);
      assert.deepEqual([on.code, on.stderr], [0, ""]);
      const off = await home.run(["vm", "set", "plain", "--nat", "off"]);
      assert.equal(off.code, 0, off.stderr);
      const on2 = await home.run(["vm", "set", "plain", "--nat", "on"]);
      assert.equal(on2.code, 0, on2.stderr);
      assert.equal((await fetch(vm)).text, "banger");
      const passt = await passtOf(vm);
      await vm.set({ nat: false });
      await assert.rejects(guardOf(vm), { code: "ENOENT" });
      // It was killed with its guard; tail ends when it has ended.
      await run("tail", [`--pid=${passt}`, "-f", "/dev/null"], { timeout: 20_000 });
      const { text } = await vm.exec([
        "sh",
        "-c",
        "ip -4 -o addr | grep -v ' lo '; ip route; cat /etc/resolv.conf",
      ]);
      assert.equal(text.trim(), "");
      // Whatever the guest's root sets up, there is nobody at the other end.
      await vm.exec([
        "sh",
        "-c",
        "ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2",
      ]);
      assert.notEqual((await fetch(vm, other.address, 7000, 2)).exitCode, 0);
    });
  });
}
