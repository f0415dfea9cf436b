/** Create, stop, start, delete: what stays and what goes. */
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { run } from "../../src/host/run.ts";
import { sharesTranslations } from "../../src/vmm/qemu/probe.ts";
import { makeHome } from "../support/home.ts";

describe("the life of a VM", async () => {
  const home = await makeHome();

  test("a stopped VM keeps its disk, starts again with a new boot id, and is stopped in order", async () => {
    const banger = await home.connect();
    await using vm = await banger.create({ name: "keeper" });
    const firstBoot = vm.info.boot_id;
    await vm.files.write("/root/note", "kept");
    await vm.stop();
    assert.equal(vm.state, "stopped");
    await assert.rejects(Promise.resolve(vm.exec(["true"])), { code: "vm_wrong_state" });
    await vm.start();
    assert.equal(vm.state, "running");
    assert.notEqual(vm.info.boot_id, firstBoot);
    assert.equal(await vm.files.readText("/root/note"), "kept");
    const { text } = await vm.exec(["cat", "/proc/sys/kernel/hostname"]);
    assert.equal(text.trim(), "keeper");
  });

  test("systemd comes up beside the agent", async () => {
    const banger = await home.connect();
    await using vm = await banger.create({ name: "whole", wait: "system" });
    assert.match(await vm.waitSystem(), /^(running|degraded)$/);
    const { text } = await vm.exec(["cat", "/proc/1/comm"]);
    assert.equal(text.trim(), "systemd");
    // It started after the guest had its name, not beside its being given one.
    const times = await vm.exec([
      "sh",
      "-c",
      'date -r /etc/hostname +%s.%N; date -d "$(systemctl show --timestamp=us -P UserspaceTimestamp)" +%s.%N',
    ]);
    const [named = 0, started = 0] = times.text.split("\n").map(Number);
    assert.ok(named > 0 && named <= started, times.text);
  });

  test("an emulated guest's kernel has its code in place before anything runs (guest/selfpatch.h), and its programs lie where they were translated", async (t) => {
    const banger = await home.connect();
    await using vm = await banger.create({ name: "settled", wait: "system" });
    if (vm.info.accelerator !== "tcg") return t.skip("this guest is not emulated");
    // systemd takes its filters of cgroups off and puts one on again: without what holds them, four changes of the kernel's code.
    const { text } = await vm.exec([
      "sh",
      "-ec",
      `mount -t tracefs none /sys/kernel/tracing; cd /sys/kernel/tracing
       echo p:patched jump_label_update > kprobe_events; echo 1 > events/kprobes/patched/enable
       systemctl -q stop 'systemd-journald*.socket' systemd-journald systemd-logind
       : > trace
       systemd-run --wait --quiet -p IPAddressDeny=any true
       echo "changes: $(grep -c patched: trace)"`,
    ]);
    assert.equal(text, "changes: 0\n");
    const where = () => vm.exec(["grep", "-m1", "r-xp", "/proc/self/maps"]);
    const { stdout: version } = await run("qemu-system-x86_64", ["--version"]);
    const [first, second] = [await where(), await where()];
    assert.equal(first.text === second.text, !sharesTranslations(version), first.text);
  });

  for (const [what, how, reason] of [
    ["powers itself off", "poweroff", /powered itself off/],
    ["reboots", "reboot", /rebooted/],
  ] as const)
    test(`a VM that ${what} is noticed and recorded`, async () => {
      const banger = await home.connect();
      await using vm = await banger.create({ name: "selfish", wait: "system" });
      const logs = await vm.logs({ follow: true });
      await vm.exec(["systemctl", how]);
      logs.resume();
      await new Promise((resolve) => logs.once("close", resolve));
      const info = await vm.refresh();
      assert.equal(info.state, "stopped");
      assert.match(info.reason ?? "", reason);
    });

  test("a taken name is refused, a deleted one is free again, and nothing remains", async () => {
    const banger = await home.connect();
    const vm = await banger.create({ name: "unique", start: false });
    await assert.rejects(banger.create({ name: "unique", start: false }), { code: "vm_name_taken" });
    await vm.delete();
    const again = await banger.create({ name: "unique", start: false });
    await again.delete();
    assert.deepEqual(await readdir(join(home.state, "vms")), []);
    await assert.rejects(banger.get("unique"), { code: "vm_not_found" });
  });

  test("a creation that is cancelled leaves nothing", async () => {
    const banger = await home.connect();
    const stop = new AbortController();
    const creation = banger.create(
      { name: "cancelled" },
      {
        signal: stop.signal,
        onEvent: (event) => {
          if (event.type === "stage" && event.name === "booting") stop.abort();
        },
      },
    );
    await assert.rejects(creation);
    assert.deepEqual(await banger.list(), []);
    assert.deepEqual(await readdir(join(home.state, "vms")), []);
  });

  test("three are created at once, each whole", async () => {
    const banger = await home.connect();
    const vms = await Promise.all([1, 2, 3].map(() => banger.create()));
    const names = await Promise.all(vms.map(async (vm) => (await vm.exec(["hostname"])).text.trim()));
    assert.deepEqual(
      names,
      vms.map((vm) => vm.name),
    );
    await Promise.all(vms.map((vm) => vm.delete()));
  });
});
