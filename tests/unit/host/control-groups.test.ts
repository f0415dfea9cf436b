import assert from "node:assert/strict";
import { test } from "node:test";
import { groupPlaces, inGroup } from "../../../src/host/control-groups.ts";

const UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";

test("with version 2 the process's own group comes first, then those above it", () => {
  assert.deepEqual(
    groupPlaces("0::/user.slice/app.scope\n", UNIFIED).map(({ version, memory, pids }) => [
      version,
      memory,
      pids,
    ]),
    ["/sys/fs/cgroup/user.slice/app.scope", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup"].map((at) => [
      2,
      at,
      at,
    ]),
  );
});

test("with version 1 it is the hierarchies of memory and pids, below what a container sees of them", () => {
  const mounts = [
    "35 31 0:32 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
    "39 31 0:36 /docker/1 /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids",
    "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd",
  ].join("\n");
  const own = "8:pids:/docker/1/x\n4:memory:/docker/1\n1:name=systemd:/\n";
  assert.deepEqual(groupPlaces(own, mounts), [
    { version: 1, memory: "/sys/fs/cgroup/memory", pids: "/sys/fs/cgroup/pids/x" },
  ]);
});

test("without control groups there is no place", () => {
  assert.deepEqual(groupPlaces("", "22 1 0:1 / / rw - ext4 /dev/vda rw"), []);
});

test("a command is run in its groups without a word of it being read by the shell", () => {
  const place = { version: 1, memory: "/m", pids: "/p" } as const;
  const line = inGroup(place, "banger-vm-1", ["/bin/true", "$(reboot)", "--"]);
  assert.deepEqual(line.slice(3), [
    "sh",
    "/m/banger-vm-1",
    "/p/banger-vm-1",
    "--",
    "/bin/true",
    "$(reboot)",
    "--",
  ]);
});
