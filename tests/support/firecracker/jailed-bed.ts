/** What a test of the jailer works in: a driver that starts doubles by it, and a VM that only looks like one. Root's alone. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import type { TestContext } from "node:test";
import { findByUser } from "../../../src/host/processes.ts";
import type { Machine } from "../../../src/vmm/driver.ts";
import { firecrackerDriver } from "../../../src/vmm/firecracker/driver.ts";
import { jailUser } from "../../../src/vmm/jail/jail-user.ts";
import { temporaryFolder } from "../temporary.ts";
import { hollowSpec } from "./hollow-spec.ts";

/**
 * A folder with files that only look like a kernel and disks, all of them root's alone.
 * @param on the double's program, beside which its jailer lies, and where the agent's program is kept
 * @param beside another one, in whose folder it is to be
 */
export function jailedBed(
  t: TestContext,
  on: { readonly program: string; readonly cache: string },
  beside?: { readonly folder: string },
  name = beside ? "other" : "vm",
) {
  const folder = beside?.folder ?? temporaryFolder(t);
  const spec = hollowSpec(folder, name, "vm-jailed");
  const { directory } = spec;
  const accelerator = async () => ({ accelerator: "kvm", why: "the double needs none" }) as const;
  const driver = firecrackerDriver({ ...on, owned: [folder], accelerator });
  const user = jailUser(directory);
  return {
    folder,
    driver,
    accelerator,
    spec,
    user,
    inodeOfBase: statSync(spec.disks.base).ino,
    launch: async (): Promise<Machine> => {
      const machine = await driver.launch(spec, new AbortController().signal);
      machine.console.resume();
      t.after(() => machine.kill());
      return machine;
    },
    /** Nothing runs, nothing is mounted, nothing is lent. */
    assertNothingLeft: () => {
      assert.deepEqual(findByUser(user), []);
      assert.deepEqual(
        readdirSync(directory).filter((entry) => entry !== "vmm.log"),
        ["state.ext4"],
      );
      assert.equal(statSync(spec.disks.state).uid, 0);
      assert.ok(!readFileSync("/proc/self/mounts", "latin1").includes(folder), "no mount is left");
    },
  };
}
