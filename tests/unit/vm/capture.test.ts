import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { freeSpace } from "../../../src/disk/free-space.ts";
import { vmDirectory } from "../../../src/host/paths.ts";
import type { VmRecord } from "../../../src/store/vms.ts";
import { requireRoom } from "../../../src/vm/capture.ts";
import type { VmContext } from "../../../src/vm/context.ts";
import type { LiveVm } from "../../../src/vm/live-vm.ts";
import { stateDiskFile } from "../../../src/vm/state-disk-file.ts";
import { temporaryFolder } from "../../support/temporary.ts";

test("a VM is saved only where there is room for all that its driver may write, and for each copy's disk", async (t) => {
  const state = temporaryFolder(t);
  const paths = { state } as VmContext["paths"];
  const vm = { id: "vm-1", name: "it", memoryMib: 2048 } as VmRecord;
  mkdirSync(vmDirectory(paths, vm.id), { recursive: true });
  writeFileSync(stateDiskFile(vmDirectory(paths, vm.id)), Buffer.alloc(4096, "disk"), { flush: true });
  const free = await freeSpace(state);
  const requiring = (stateBytes: (memoryMib: number) => Promise<number>, copies: number) => {
    const live = { machine: { stateBytes } } as LiveVm;
    return requireRoom({ paths } as VmContext, vm, live, copies);
  };
  const refused = { code: "no_space", message: /the memory and the disk of 'it'/ };

  await requiring(async () => 0, 1);
  await assert.rejects(
    requiring(async (memoryMib) => (memoryMib === 2048 ? 2 * free : 0), 1),
    refused,
  );
  await assert.rejects(
    requiring(async () => 0, free),
    refused,
  );
  const without = requireRoom({ paths } as VmContext, vm, null, free);
  await assert.rejects(without, { code: "no_space", message: /for the disk of 'it'/ });
});
