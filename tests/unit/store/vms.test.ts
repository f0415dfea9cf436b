import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openDatabase } from "../../../src/store/database.ts";
import { VmRepository } from "../../../src/store/vms.ts";
import { vmRecord } from "../../support/records.ts";
import { temporaryFolder } from "../../support/temporary.ts";

function repository(t: TestContext): VmRepository {
  const folder = temporaryFolder(t);
  const database = openDatabase(join(folder, "state.db"));
  t.after(() => database.close());
  return new VmRepository(database);
}

test("a record comes back as it went in, with every field", (t) => {
  const vms = repository(t);
  const record = vmRecord({
    state: "running",
    reason: "because 'it' \"is\"; DROP TABLE vms",
    nested: true,
    nat: true,
    publish: [{ address: "::1", hostPort: 8080, guestPort: 80 }],
    autoRemove: true,
    startedAt: 1,
    bootId: "boot",
    boot: { initMs: 1, rootMs: 2, agentMs: 3, readyMs: 4, attempts: 2 },
    machine: { driver: "qemu", pid: 7, deep: [1, { a: null }] },
  });
  assert.ok(vms.insert(record));
  assert.deepEqual(vms.get(record.id), record);
  assert.deepEqual(vms.list(), [record]);
});

test("a name can be taken once, and is free again after a deletion", (t) => {
  const vms = repository(t);
  assert.equal(vms.insert(vmRecord({ id: "vm-a", name: "one" })), true);
  assert.equal(vms.insert(vmRecord({ id: "vm-b", name: "one" })), false);
  assert.equal(vms.get("vm-b"), null);
  assert.ok(vms.hasName("one"));
  vms.delete("vm-a");
  assert.ok(!vms.hasName("one"));
  assert.equal(vms.insert(vmRecord({ id: "vm-b", name: "one" })), true);
});

test("VMs are listed oldest first", (t) => {
  const vms = repository(t);
  vms.insert(vmRecord({ id: "vm-c", name: "c", createdAt: 3 }));
  vms.insert(vmRecord({ id: "vm-a", name: "a", createdAt: 1 }));
  vms.insert(vmRecord({ id: "vm-b", name: "b", createdAt: 2 }));
  assert.deepEqual(
    vms.list().map((vm) => vm.name),
    ["a", "b", "c"],
  );
});

test("a change touches what it names and nothing else; a deleted VM stays deleted", (t) => {
  const vms = repository(t);
  const record = vmRecord({ reason: "kept", machine: { pid: 1 } });
  vms.insert(record);
  vms.update(record.id, { state: "stopped", machine: null });
  assert.deepEqual(vms.get(record.id), { ...record, state: "stopped", machine: null });
  vms.delete(record.id);
  vms.update(record.id, { state: "running" });
  assert.equal(vms.get(record.id), null);
});

test("what can never be is refused by the database itself", (t) => {
  const vms = repository(t);
  for (const change of [{ vcpu: 0 }, { memoryMib: -1 }, { diskBytes: 0 }, { state: "asleep" as never }])
    assert.throws(() => vms.insert(vmRecord(change)), /CHECK/);
  assert.deepEqual(vms.list(), []);
});
