/** Who needs an image or a kernel: it stays as long as anybody does. */
import type { VmContext } from "../vm/context.ts";

export type Supply = "image" | "kernel";

/** Names of VMs, and `snapshot NAME` of snapshots. */
export function usersOf({ vms, snapshots }: VmContext, supply: Supply, digest: string): string[] {
  const key = supply === "image" ? "imageDigest" : "kernelDigest";
  return [
    ...vms
      .list()
      .filter((vm) => vm[key] === digest)
      .map((vm) => vm.name),
    ...snapshots
      .list()
      .filter((one) => one[supply].digest === digest)
      .map((one) => `snapshot ${one.name}`),
  ];
}
