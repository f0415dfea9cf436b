/** What the double is told to start where no guest boots: files that only look like a kernel and disks, this user's alone. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LaunchSpec } from "../../../src/vmm/driver.ts";

/** Makes the VM's folder `name` and the files that it boots from in `folder`. */
export function hollowSpec(folder: string, name: string, id: string): LaunchSpec {
  const directory = join(folder, name);
  mkdirSync(directory, { mode: 0o700 });
  const file = (path: string, content = "") => {
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  const shared = (part: string, content?: string) => file(join(folder, part), content);
  return {
    id,
    directory,
    vcpu: 2,
    memoryMib: 512,
    accelerator: "kvm",
    kernel: {
      image: shared("vmlinuz"),
      elf: { path: shared("vmlinux", "\x7fELF\x02\x01 and so on"), pvh: false },
    },
    initramfs: shared("initramfs"),
    kernelArgs: [],
    disks: {
      base: shared("base"),
      modules: shared("modules"),
      state: file(join(directory, "state.ext4")),
    },
    nested: false,
    diskRate: null,
    netRate: null,
  };
}
