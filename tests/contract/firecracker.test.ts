/** The Firecracker driver against a double that enforces Firecracker's published API, in front of the agent's own program. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { silent } from "../../src/core/stage.ts";
import { isAlive, killProcess } from "../../src/host/processes.ts";
import { boot } from "../../src/vm/bring-up.ts";
import { ConsoleLog } from "../../src/vm/console-log.ts";
import type { VmContext } from "../../src/vm/context.ts";
import { LiveVms } from "../../src/vm/live-vm.ts";
import type { Driver, LaunchSpec, Machine } from "../../src/vmm/driver.ts";
import type { CallName } from "../../src/vmm/firecracker/api.ts";
import { FILES, SAVED } from "../../src/vmm/firecracker/boot.ts";
import { firecrackerDriver } from "../../src/vmm/firecracker/driver.ts";
import { endStrayMonitor } from "../../src/vmm/monitor-process.ts";
import { leftProcesses } from "../support/command.ts";
import { bodySchema, readDescription, resolved, wrongRequest } from "../support/firecracker/description.ts";
import { hollowSpec } from "../support/firecracker/hollow-spec.ts";
import { installDouble, recordedCalls, START } from "../support/firecracker/install.ts";
import type { Plan, RecordedCall } from "../support/firecracker/plan.ts";
import { RULES } from "../support/firecracker/rules.ts";
import { says } from "../support/firecracker/says.ts";
import { agentBinary } from "../support/hosted-agent.ts";
import { temporaryFolder } from "../support/temporary.ts";

const signal = new AbortController().signal;
const CONFIGURATION: CallName[] = [
  "PUT /machine-config",
  "PUT /boot-source",
  "PUT /drives/{drive_id}",
  "PUT /network-interfaces/{iface_id}",
  "PUT /vsock",
  "PUT /entropy",
];

interface Bed {
  readonly driver: Driver;
  readonly spec: LaunchSpec;
  /** Lets a machine live until the end of the test. */
  keep(machine: Machine): Machine;
  calls(): RecordedCall[];
  /** The calls' methods and paths. */
  sequence(): string[];
}

/** A double, a driver that uses it, and files that only look like a kernel and disks. */
async function bed(t: TestContext, plan: Partial<Plan>, patienceMs?: number): Promise<Bed> {
  const folder = temporaryFolder(t);
  double.plan(plan);
  const spec = {
    ...hollowSpec(folder, "vm", "vm-double"),
    kernelArgs: ["banger.init=/sbin/init"],
  };
  const { directory } = spec;
  const machines: Machine[] = [];
  t.after(async () => {
    for (const machine of machines) await machine.kill();
    assert.deepEqual(await leftProcesses(directory), [], "nothing may be left");
  });
  return {
    driver: firecrackerDriver({
      program: double.program,
      cache: home,
      accelerator: async () => ({ accelerator: "kvm", why: "the double needs none" }),
      ...(patienceMs !== undefined && { patienceMs }),
    }),
    spec,
    keep: (machine) => {
      machine.console.resume();
      machines.push(machine);
      return machine;
    },
    calls: () => recordedCalls(directory),
    sequence: () => recordedCalls(directory).map(({ method, path }) => `${method} ${path}`),
  };
}

// One for all: whether bubblewrap works is found out once per process.
const home = mkdtempSync(join(tmpdir(), "banger-double-"));
after(() => rmSync(home, { recursive: true }));
const double = await installDouble(home);
process.env.PATH = `${double.path}:${process.env.PATH}`;

const launched = async ({ driver, spec, keep }: Bed): Promise<Machine> =>
  keep(await driver.launch(spec, signal));

/** Pauses a machine and saves it. @returns the folder */
async function save(machine: Machine, { spec }: Bed): Promise<string> {
  await machine.pause();
  const saved = join(spec.directory, "saved");
  mkdirSync(saved);
  await machine.saveState(saved, signal);
  return saved;
}

describe("the Firecracker driver", () => {
  let agent: string;
  before(() => {
    agent = agentBinary();
  });

  test("starts a VM with described calls in order, and its agent answers over vsock", async (t) => {
    const it = await bed(t, { guest: "agent", agent });
    const machine = await launched(it);
    assert.equal(await says(machine, "echo $((6 * 7))"), "42\n");
    assert.deepEqual(it.sequence(), START);
    assert.equal(await says(machine, "echo again"), "again\n");
    const drives = it.calls().filter(({ path }) => path.startsWith("/drives/"));
    assert.deepEqual(
      drives.map(({ body }) => (body as { is_read_only: boolean }).is_read_only),
      [true, false, true],
    );
  });

  test("pauses, resumes, saves, restores and grows with described calls", async (t) => {
    const it = await bed(t, { guest: "agent", agent });
    const machine = await launched(it);
    const saved = await save(machine, it);
    assert.equal(statSync(join(saved, SAVED.memory)).size, await machine.stateBytes(it.spec.memoryMib));
    await machine.resume();
    await machine.stateDiskResized(1024);
    assert.equal(await says(machine, "echo on"), "on\n");
    assert.deepEqual(it.sequence().slice(START.length), [
      "PATCH /vm",
      "PUT /snapshot/create",
      "PATCH /vm",
      "GET /vm/config",
      "PATCH /drives/state",
    ]);
    await machine.kill();
    assert.deepEqual(await machine.exited, { expected: true, reason: "ended by banger" });

    const before = it.calls().length;
    const copy = it.keep(await it.driver.restore(it.spec, { folder: saved }, signal));
    await copy.resume();
    assert.equal(await says(copy, "echo restored"), "restored\n");
    assert.deepEqual(it.sequence().slice(before), [
      "PUT /snapshot/load",
      "GET /vm/config",
      "PATCH /drives/state",
      "PATCH /network-interfaces/net",
      "PATCH /vm",
    ]);
  });

  test("a limit of the disk's speed becomes buckets of the state disk, with a burst of its own or a tenth of a second's", async (t) => {
    const it = await bed(t, {});
    const rate = { bytesPerSecond: 4_000_000, burstBytes: 8_000_000, opsPerSecond: 500 };
    await launched({ ...it, spec: { ...it.spec, diskRate: rate } });
    const limiters = it
      .calls()
      .filter(({ path }) => path.startsWith("/drives/"))
      .map(({ body }) => (body as { rate_limiter?: unknown }).rate_limiter);
    const ops = { size: 50, refill_time: 100 };
    assert.deepEqual(limiters, [
      undefined,
      { bandwidth: { size: 8_000_000, refill_time: 2000 }, ops },
      undefined,
    ]);
  });

  test("saving what runs is refused in Firecracker's own words", async (t) => {
    const it = await bed(t, {});
    const machine = await launched(it);
    await assert.rejects(machine.saveState(it.spec.directory, signal), {
      code: "driver_failed",
      message: /save the VM's state: Create snapshot error: the microVM is not paused\.$/,
    });
  });

  for (const name of [...CONFIGURATION, "PUT /actions"] as const) {
    test(`${name}: a refusal is passed on word by word, and nothing is left`, async (t) => {
      const it = await bed(t, { refuse: { [name]: "Firecracker says: no, because \u001b[1m of reasons" } });
      await assert.rejects(
        it.driver.launch(it.spec, signal),
        (error: Error & { code: string; hint: string }) => {
          assert.equal(error.code, "driver_failed");
          assert.match(error.message, /: Firecracker says: no, because \\x1b\[1m of reasons$/);
          assert.notEqual(error.hint, "");
          return true;
        },
      );
    });

    test(`${name}: a Firecracker that dies there fails the start, and nothing is left`, async (t) => {
      const it = await bed(t, { dieAt: name });
      await assert.rejects(it.driver.launch(it.spec, signal), { code: "driver_failed" });
    });
  }

  /** What makes a call after the start. */
  const later: Partial<Record<CallName, (machine: Machine, it: Bed) => Promise<unknown>>> = {
    "PATCH /vm": (machine) => machine.pause(),
    "PUT /snapshot/create": async (machine, { spec }) => {
      await machine.pause();
      await machine.saveState(spec.directory, signal);
    },
    "PATCH /drives/{drive_id}": (machine) => machine.stateDiskResized(1024),
    "PUT /snapshot/load": async (_, { spec, driver }) => {
      const directory = `${spec.directory}-restored`;
      mkdirSync(directory, { mode: 0o700 });
      const disks = { ...spec.disks, state: join(directory, "state.ext4") };
      try {
        await driver.restore({ ...spec, directory, disks }, { folder: spec.directory }, signal);
      } finally {
        assert.deepEqual(await leftProcesses(directory), [], "nothing may be left");
      }
    },
  };
  for (const [name, make] of Object.entries(later)) {
    test(`${name}: a refusal is passed on word by word, and the machine lives; one that dies there is noticed`, async (t) => {
      const refusing = await bed(t, { refuse: { [name]: "Firecracker says: not now" } });
      const machine = await launched(refusing);
      await assert.rejects(make(machine, refusing), {
        code: "driver_failed",
        message: /: Firecracker says: not now$/,
      });
      assert.equal(await machine.answers(), true);
      await machine.kill();

      const dying = await bed(t, { dieAt: name as CallName });
      const mortal = await launched(dying);
      await assert.rejects(make(mortal, dying), { code: "driver_failed" });
      if (name === "PUT /snapshot/load") return; // that was another one
      assert.equal((await mortal.exited).expected, false);
    });
  }

  for (const name of ["PATCH /drives/{drive_id}", "PATCH /network-interfaces/{iface_id}"] as const) {
    test(`${name} of a restored one: a refusal is passed on word by word, a death is noticed, nothing is left`, async (t) => {
      const it = await bed(t, {});
      const machine = await launched(it);
      const saved = await save(machine, it);
      await machine.kill();
      double.plan({ refuse: { [name]: "Firecracker says: no such thing" } });
      await assert.rejects(it.driver.restore(it.spec, { folder: saved }, signal), {
        code: "driver_failed",
        message: /: Firecracker says: no such thing$/,
        hint: /stop and start the VM/,
      });
      double.plan({ dieAt: name });
      await assert.rejects(it.driver.restore(it.spec, { folder: saved }, signal), { code: "driver_failed" });
      assert.deepEqual(await leftProcesses(it.spec.directory), []);
    });
  }

  test("a guest that never says hello is given up after a second try, told, and nothing is left", async (t) => {
    const it = await bed(t, {});
    const told: string[] = [];
    const report = { ...silent, notice: (text: string) => void told.push(text) };
    const consoleOf = () => new ConsoleLog(it.spec.directory);
    const context = {
      consoleOf,
      vms: { update: () => {} },
      live: new LiveVms(),
      log: { warn: () => {} },
    } as unknown as VmContext;
    await assert.rejects(boot(context, it.driver, it.spec, { report, signal }, [200, 300]), {
      message: "no sign of life within 0.2 s, then 0.3 s",
    });
    assert.deepEqual(told, ["the guest did not answer within 0.2 s; trying once more"]);
    assert.deepEqual(it.sequence(), [...START, ...START]);
    assert.deepEqual(context.live.all(), []);
  });

  test("a limit of the network's speed becomes buckets each way, lifted or set anew when a state is loaded", async (t) => {
    const it = await bed(t, {});
    const netRate = { bytesPerSecond: 2_000_000, burstBytes: null, opsPerSecond: null };
    const machine = await launched({ ...it, spec: { ...it.spec, netRate } });
    const saved = await save(machine, it);
    await machine.kill();
    it.keep(await it.driver.restore(it.spec, { folder: saved }, signal));
    const limit = { bandwidth: { size: 200_000, refill_time: 100 } };
    const none = { size: 0, refill_time: 0 };
    const lifted = { bandwidth: none, ops: none };
    assert.deepEqual(
      it
        .calls()
        .filter(({ path }) => path === "/network-interfaces/net")
        .map(({ body }) => body),
      [
        {
          iface_id: "net",
          host_dev_name: "tap0",
          guest_mac: "52:54:00:12:34:56",
          rx_rate_limiter: limit,
          tx_rate_limiter: limit,
        },
        { iface_id: "net", rx_rate_limiter: lifted, tx_rate_limiter: lifted },
      ],
    );
  });

  test("a state that was saved where there was no tap goes on without an interface where there is one, and nobody carries its frames", async (t) => {
    const it = await bed(t, { guest: "agent", agent });
    const machine = await launched(it);
    const saved = await save(machine, it);
    await machine.kill();
    const devices = join(saved, SAVED.devices);
    const state = { ...JSON.parse(readFileSync(devices, "utf8")), network: null };
    writeFileSync(devices, JSON.stringify(state));

    const before = it.calls().length;
    const copy = it.keep(await it.driver.restore(it.spec, { folder: saved }, signal));
    assert.deepEqual(it.sequence().slice(before), [
      "PUT /snapshot/load",
      "GET /vm/config",
      "PATCH /drives/state",
    ]);
    assert.ok(!existsSync(join(it.spec.directory, FILES.net)), "a way out would be refused, with what to do");
    await copy.resume();
    assert.equal(await says(copy, "echo on"), "on\n");
  });

  for (const dieAt of ["start", "listening"] as const) {
    test(`one that dies at ${dieAt} fails the start with its last words`, async (t) => {
      const it = await bed(t, { dieAt });
      await assert.rejects(it.driver.launch(it.spec, signal), /dies at the start|ended/);
    });
  }

  test("an API socket that never appears is told after a time, and nothing is left", async (t) => {
    const it = await bed(t, { mute: true }, 1000);
    await assert.rejects(it.driver.launch(it.spec, signal), /Firecracker did not answer within 1 s/);
  });

  test("an API socket that never appears: cancelling the start ends it at once", async (t) => {
    const it = await bed(t, { mute: true });
    const cancel = new AbortController();
    setTimeout(() => cancel.abort(), 300);
    await assert.rejects(it.driver.launch(it.spec, cancel.signal), { name: "AbortError" });
  });

  test("its death is noticed at once, also while somebody waits for the guest", async (t) => {
    const it = await bed(t, { guest: "none" });
    const machine = await launched(it);
    const waiting = assert.rejects(machine.connectAgent(), { code: "guest_unreachable" });
    killProcess(machine.handle);
    const exit = await machine.exited;
    assert.equal(exit.expected, false);
    await waiting;
    assert.equal(await machine.answers(), false);
  });

  test("one whose jail died before it is ended all the same", async (t) => {
    const it = await bed(t, { guest: "none" });
    const machine = await launched(it);
    process.kill(machine.handle.pid, "SIGKILL");
    await machine.kill();
    assert.deepEqual(await leftProcesses(it.spec.directory), []);
  });

  test("a daemon that comes later finds it again, and one that knows no record ends it", async (t) => {
    const it = await bed(t, { guest: "agent", agent });
    const machine = await launched(it);
    const found = await it.driver.adopt(machine.handle);
    assert.ok(found);
    it.keep(found);
    assert.equal(await says(found, "echo found"), "found\n");
    assert.equal(await it.driver.adopt({ ...machine.handle, pidStart: "1" }), null);
    await endStrayMonitor(it.spec.directory);
    await Promise.all([machine.exited, found.exited]);
    assert.equal(isAlive(machine.handle), false);
    assert.equal(await it.driver.adopt(machine.handle), null);
  });

  test("a state of another version, one that was cut short or a damaged one is refused with the reason, and nothing is left", async (t) => {
    const it = await bed(t, {});
    const machine = await launched(it);
    const saved = await save(machine, it);
    await machine.kill();
    const refused = async (why: RegExp) => {
      const restoring = it.driver.restore(it.spec, { folder: saved }, signal);
      await assert.rejects(restoring, { code: "driver_failed", message: why, hint: /knows its version/ });
      assert.deepEqual(await leftProcesses(it.spec.directory), []);
    };
    double.plan({ version: "1.16.0" });
    await refused(/: Load snapshot error: .*Invalid version 1\.17\.0$/);
    double.plan({});
    truncateSync(join(saved, "memory"), 1024);
    await refused(/: Load snapshot error: .*too short$/);
    writeFileSync(join(saved, "firecracker.state"), "junk");
    await refused(/: Load snapshot error: .*damaged$/);
  });

  test("a kernel that has no ELF form is refused with the reason before anything is started", async (t) => {
    const it = await bed(t, {});
    const kernel = { image: it.spec.kernel.image, elf: { problem: "it is compressed with lzo" } };
    await assert.rejects(it.driver.launch({ ...it.spec, kernel }, signal), {
      code: "driver_unavailable",
      message: /compressed with lzo/,
    });
  });
});

describe("the double", async () => {
  const description = await readDescription();
  test("makes no other rules than the published description", (t) => {
    if (!description) return t.skip("the API description is not here (BANGER_FIRECRACKER_API names it)");
    for (const [name, { body }] of Object.entries(RULES)) {
      const [method = "", path = ""] = name.split(" ");
      const schema = bodySchema(description, method, path);
      assert.ok(schema, name);
      assert.deepEqual([...(body.required ?? [])].sort(), [...(schema.required ?? [])].sort(), name);
      for (const [field, { type, enum: values }] of Object.entries(body.properties ?? {})) {
        const property = resolved(description, schema.properties?.[field]);
        assert.equal(property?.type, type, `${name} ${field}`);
        for (const value of values ?? [])
          assert.ok(property?.enum?.includes(value), `${name} ${field} ${String(value)}`);
      }
    }
  });

  test("knows a wrong call by the description", (t) => {
    if (!description) return t.skip("the API description is not here (BANGER_FIRECRACKER_API names it)");
    const wrong = (method: string, path: string, body?: unknown) =>
      wrongRequest(description, method, path, body);
    assert.equal(wrong("PUT", "/actions", { action_type: "InstanceStart" }), null);
    assert.match(wrong("PUT", "/actions", { action_type: "Dance" }) ?? "", /none of/);
    assert.match(wrong("PUT", "/vsock", { guest_cid: 2, uds_path: "x" }) ?? "", /at least 3/);
    assert.match(wrong("PUT", "/vsock", { guest_cid: 3 }) ?? "", /missing field `uds_path`/);
    assert.match(
      wrong("PUT", "/vsock", { guest_cid: 3, uds_path: "x", more: 1 }) ?? "",
      /unknown field `more`/,
    );
    assert.match(wrong("POST", "/vsock", {}) ?? "", /Invalid request method/);
  });
});
