/**
 * The life of a VM through the whole of banger, the same on every driver: QEMU, Firecracker where BANGER_TEST_FIRECRACKER names
 * one, and the contract's double, whose recorded calls are looked at.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { findTool } from "../../src/host/tools.ts";
import type { Sandbox } from "../../src/sdk/index.ts";
import { daemonDrivers } from "../support/daemon-drivers.ts";
import { DoubleHost } from "../support/double-host.ts";
import { recordedCalls, START } from "../support/firecracker/install.ts";
import { makeHome } from "../support/home.ts";
import { ScriptedRegistry } from "../support/scripted-registry.ts";

const MIB = 1024 * 1024;
/** A snapshot, or a fork: a VM stands still while it is saved. */
const SAVE = ["PATCH /vm", "PUT /snapshot/create", "PATCH /vm"];

const host = await DoubleHost.make({ guest: "qemu" });
const home = await makeHome();

for (const { title, driver, missing, configure, begin } of daemonDrivers(host, home)) {
  describe(`a VM on ${title}`, { skip: missing }, () => {
    let vm: Sandbox;
    let name: string;

    before(async () => {
      await configure();
      assert.equal((await begin()).code, 0);
    });
    after(() => home.run(["daemon", "stop"]));

    const writing8Mib = async (): Promise<number> => {
      const begun = performance.now();
      await say("dd if=/dev/zero of=/root/written bs=64k count=128 conv=fsync 2>/dev/null");
      return Math.round(performance.now() - begun);
    };
    const say = async (script: string) => (await vm.exec(["sh", "-c", script])).text.trim();

    test("is made by the command line and runs what it is told", async () => {
      const made = await home.run(["vm", "create", "--driver", driver, "--disk-size", "512M"]);
      assert.equal(made.code, 0, made.stderr);
      name = made.stdout.trim();
      assert.match(made.stderr, new RegExp(`\\| ${driver}/`));
      vm = (await (await home.connect()).get(name)).keep();
      assert.equal(vm.info.driver, driver);
      const ran = await home.run(["vm", "exec", name, "--", "sh", "-c", "hostname; exit 7"]);
      assert.deepEqual([ran.code, ran.stdout], [7, `${name}\n`]);
      assert.equal(
        await say("ls /dev/virtio-ports /dev/vsock 2>/dev/null | wc -l; nproc"),
        `1\n${vm.info.vcpu}`,
      );
    });

    test("has files copied in and out, a console that is kept, and numbers", async () => {
      const bytes = Buffer.alloc(3 * MIB, "banger");
      await vm.files.write("/root/in", bytes);
      assert.deepEqual(Buffer.from(await vm.files.read("/root/in")), bytes);
      await say("echo on the console > /dev/console");
      const logs = await home.run(["vm", "logs", name]);
      assert.match(logs.stdout, /on the console/);
      const { host_rss_bytes } = await vm.stats();
      assert.ok(host_rss_bytes > 0);
    });

    test("stands still while it is paused, and goes on", async () => {
      const late = vm.exec(["sh", "-c", "sleep 1; echo awake"]);
      await late.started;
      assert.equal((await home.run(["vm", "pause", name])).code, 0);
      assert.equal((await vm.refresh()).state, "paused");
      assert.equal((await home.run(["vm", "resume", name])).code, 0);
      assert.equal((await late).text, "awake\n");
      assert.equal((await vm.refresh()).state, "running");
    });

    test("is kept under a name and comes back, and is forked: each is another machine that goes on", async () => {
      await say("echo then > /root/moment; (sleep 1000 >/dev/null 2>&1 &)");
      const kept = await home.run(["vm", "snapshot", "create", name, "moment"]);
      assert.equal(kept.code, 0, kept.stderr);
      await say("echo later > /root/moment");
      const forked = await home.run(["vm", "fork", name, "--name", "forked"]);
      assert.equal(forked.code, 0, forked.stderr);
      const restored = await home.run(["vm", "restore", "moment", "--name", "again"]);
      assert.equal(restored.code, 0, restored.stderr);
      const banger = await home.connect();
      const copies = await Promise.all(["forked", "again"].map((copy) => banger.get(copy)));
      const ask = "hostname; cat /root/moment; pgrep -xc sleep; cat /etc/machine-id";
      const answers = await Promise.all(
        [vm, ...copies].map(async (it) => (await it.exec(["sh", "-c", ask])).text.trim().split("\n")),
      );
      assert.deepEqual(
        answers.map((lines) => lines.slice(0, 3)),
        [
          [name, "later", "1"],
          ["forked", "later", "1"],
          ["again", "then", "1"],
        ],
      );
      assert.equal(new Set(answers.map((lines) => lines[3])).size, 3, "each has a machine id of its own");
      await Promise.all(copies.map((copy) => copy.delete()));
      await banger.snapshots.delete("moment");
      await say("pkill -x sleep");
    });

    test("grows and is renamed while it runs", async () => {
      const former = Number(await say("df -B1 --output=size / | tail -1"));
      await vm.set({ diskBytes: 768 * MIB, name: `${name}-more` });
      name = vm.name;
      assert.ok(Number(await say("df -B1 --output=size / | tail -1")) > former + 200 * MIB);
      assert.equal(await say("hostname"), name);
    });

    test("is stopped in order, started and restarted: its disk stays, its boot is another; a limit of speed holds", async () => {
      const boots = [vm.info.boot_id];
      await say("echo kept > /root/mark"); // not synced: an orderly stop does that
      assert.equal((await home.run(["vm", "stop", name])).code, 0);
      await vm.refresh();
      assert.deepEqual([vm.state, vm.info.pid], ["stopped", null]);
      const limited = await home.run(["vm", "set", name, "--disk-rate", "4M"]);
      assert.match(limited.stdout, /speed +at most disk 4M\/s/, limited.stderr);
      boots.push((await vm.start()).boot_id);
      const slow = await writing8Mib();
      assert.ok(slow > 1500, `8 MiB at 4 MiB/s took ${slow} ms`);
      assert.equal(await say("cat /root/mark"), "kept");
      await vm.stop();
      await vm.set({ diskRate: null });
      boots.push((await vm.start()).boot_id);
      const free = await writing8Mib();
      assert.ok(free < slow, `without a limit ${free} ms, with one ${slow} ms`);
      await assert.rejects(vm.set({ diskRate: { bytesPerSecond: 4 * MIB } }), { code: "vm_wrong_state" });
      boots.push((await vm.restart()).boot_id);
      assert.equal(new Set(boots).size, 4);
    });

    test("is found again by a later daemon", async () => {
      await home.killDaemon();
      assert.equal((await begin()).code, 0);
      const boot = vm.info.boot_id;
      vm = (await (await home.connect()).get(name)).keep();
      assert.deepEqual([vm.state, vm.info.boot_id], ["running", boot]);
      assert.equal(await say("cat /root/mark"), "kept");
    });

    test("whose monitor is killed is recorded as stopped with the reason", async () => {
      const killed = await home.run(["vm", "kill", name]);
      assert.equal(killed.code, 0, killed.stderr);
      await vm.refresh();
      assert.equal(vm.state, "stopped");
      assert.notEqual(vm.info.reason, null);
    });

    test("made only calls that the API describes, in its order", {
      skip: title !== "the double",
    }, async () => {
      const folder = join(home.state, "vms", vm.id);
      const calls = recordedCalls(folder);
      const named = calls.map(({ method, path }) => `${method} ${path}`);
      const looks = new Set(["GET /", "GET /vm/config"]); // a later daemon's, and the disk's place
      assert.deepEqual(
        named.filter((call) => !looks.has(call)),
        // The last lets a machine go on that the daemon before may have left paused.
        [
          ...[...START, "PATCH /vm", "PATCH /vm", ...SAVE, ...SAVE, "PATCH /drives/state"],
          ...[...START, ...START, ...START, "PATCH /vm"],
        ],
      );
      assert.deepEqual(
        calls.filter(({ status }) => status >= 300),
        [],
      );
      assert.doesNotMatch(await readFile(join(folder, "vmm.log"), "utf8"), /answers wrongly/);
    });

    test("is deleted; one of a registry's image, run and removed at once, leaves nothing either", async (t) => {
      assert.equal((await home.run(["vm", "delete", name])).code, 0);
      const busybox = await findTool("busybox");
      if (!busybox) return t.skip("busybox is not installed");
      await using registry = await ScriptedRegistry.start();
      const program = { path: "busybox", content: await readFile(busybox), mode: 0o755 };
      const config = { Entrypoint: ["/busybox", "sh", "-c"], Cmd: ["uname -s; id"], User: "4321:8765" };
      const image = registry.image("one", [await registry.layerOf([program])], { config: { config } });
      const ran = await home.run(["vm", "run", "--rm", "--driver", driver, "--image", image]);
      assert.deepEqual([ran.code, ran.stdout], [0, "Linux\nuid=4321 gid=8765\n"], ran.stderr);
      assert.deepEqual(await (await home.connect()).list(), []);
    });
  });
}
