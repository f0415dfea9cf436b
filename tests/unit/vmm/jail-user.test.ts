import assert from "node:assert/strict";
import { test } from "node:test";
import { JAIL_GROUP, jailUser } from "../../../src/vmm/jail/jail-user.ts";

test("a jail's user is its folder's alone, the same each time, and one that nobody else has", () => {
  const users = new Set<number>();
  for (let n = 0; n < 500; n++) {
    const user = jailUser(`/home/somebody/.local/state/banger/vms/vm-${n}`);
    assert.equal(user, jailUser(`/home/somebody/.local/state/banger/vms/vm-${n}`));
    // Above the container ids of systemd's list, below the foreign ones; never root, nobody, or the group's own number.
    assert.ok(user > JAIL_GROUP && user < 0x7ffe_0000, String(user));
    users.add(user);
  }
  assert.equal(users.size, 500);
});
