/** The daemon and monitors are killed; VMs, records and processes stay right. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { usableGroups } from "../../src/host/control-groups.ts";
import { groupName } from "../../src/vmm/jail/limits.ts";
import { makeHome } from "../support/home.ts";
import { monitorsOf } from "../support/monitors.ts";

describe("after a kill", async () => {
  const home = await makeHome();

  test("of the daemon, its VMs run on and a new daemon serves commands and processes in them", async () => {
    const banger = await home.connect();
    const vm = (await banger.create({ name: "survivor" })).keep();
    const before = vm.info.boot_id;
    const kept = vm.exec(["sh", "-c", "echo early; sleep 2; echo late"], {
      onDisconnect: "keep",
      detach: true,
    });
    const { proc } = await kept.started;
    await kept.detached;
    const { pid } = await banger.status();
    await home.killDaemon();
    const next = await home.connect();
    assert.notEqual((await next.status()).pid, pid);
    const found = await next.get("survivor");
    assert.equal(found.state, "running");
    assert.equal(found.info.boot_id, before);
    assert.equal((await found.attach(proc)).text, "early\nlate\n");
    await found.delete();
  });

  test("of the daemon, a command that was running tells its client that the connection was lost", async () => {
    const banger = await home.connect();
    const vm = (await banger.create({ name: "cut" })).keep();
    const execution = vm.exec(["sleep", "1000"]);
    await execution.started;
    await home.killDaemon();
    await assert.rejects(execution.exited, { code: "daemon_connection_lost" });
    await (await (await home.connect()).get("cut")).delete();
  });

  test("of a monitor, the VM is recorded as stopped with the reason, and starts again with its disk", async () => {
    const banger = await home.connect();
    await using vm = await banger.create({ name: "shot" });
    await vm.exec(["sh", "-c", "echo safe >/root/f && sync"]);
    const logs = await vm.logs({ follow: true });
    for (const pid of await monitorsOf(home.state, vm.id)) process.kill(pid, "SIGKILL");
    logs.resume();
    await new Promise((resolve) => logs.once("close", resolve));
    const info = await vm.refresh();
    assert.equal(info.state, "stopped");
    assert.match(info.reason ?? "", /killed or crashed/);
    await vm.start();
    assert.equal(await vm.files.readText("/root/f"), "safe\n");
  });

  test("of nothing, but with a monitor that hangs, the VM can still be deleted and its processes are gone", async () => {
    const banger = await home.connect();
    const vm = (await banger.create({ name: "hung" })).keep();
    for (const pid of await monitorsOf(home.state, vm.id)) process.kill(pid, "SIGSTOP");
    await vm.delete();
    assert.deepEqual(await monitorsOf(home.state, vm.id), []);
  });

  test("of the daemon, control groups that a monitor left are removed, and those in use are not", async (t) => {
    const place = await usableGroups();
    if (!place) return t.skip("control groups cannot be made here");
    const banger = await home.connect();
    const vm = (await banger.create({ name: "limited" })).keep();
    const group = (id: string) => join(place.pids, groupName(join(home.state, "vms", id)));
    await home.killDaemon();
    await mkdir(group("vm-gone"));
    const next = await home.connect();
    assert.deepEqual([group("vm-gone"), group(vm.id)].map(existsSync), [false, true]);
    await (await next.get("limited")).delete();
    assert.equal(existsSync(group(vm.id)), false);
  });

  test("of daemon and monitor both, the next daemon records it", async () => {
    const banger = await home.connect();
    const vm = (await banger.create({ name: "both" })).keep();
    await home.killDaemon();
    for (const pid of await monitorsOf(home.state, vm.id)) process.kill(pid, "SIGKILL");
    const found = await (await home.connect()).get("both");
    assert.equal(found.state, "stopped");
    assert.match(found.info.reason ?? "", /while no daemon was running/);
    await found.delete();
  });

  test("of the daemon while a VM of `run --rm` lives, that VM is gone with its folder and process", async () => {
    const banger = await home.connect();
    const lease = await banger.lease();
    const vm = (await banger.create({ name: "leased", lease: lease.id, autoRemove: true })).keep();
    await home.killDaemon();
    const next = await home.connect();
    await assert.rejects(next.get("leased"), { code: "vm_not_found" });
    assert.deepEqual(await readdir(join(home.state, "vms")), []);
    assert.deepEqual(await monitorsOf(home.state, vm.id), []);
  });

  test("of the client that holds a lease, its VM is deleted", async () => {
    const banger = await home.connect();
    const other = await home.connect();
    const lease = await other.lease();
    const vm = (await other.create({ lease: lease.id, autoRemove: true })).keep();
    const logs = await vm.logs({ follow: true });
    lease.close();
    logs.resume();
    await new Promise((resolve) => logs.once("close", resolve));
    for (const operation of await banger.operations.list()) await banger.operations.follow(operation.id);
    await assert.rejects(banger.get(vm.id), { code: "vm_not_found" });
  });
});
