/** Which of the VM suite's files run in the nested bed, and on what. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** BANGER_TEST_FIRECRACKER: a program to put in, and to run the files on. */
export const FIRECRACKER = process.env.BANGER_TEST_FIRECRACKER;
export const NO_FIRECRACKER = "no Firecracker: BANGER_TEST_FIRECRACKER=path names one";

const USUAL = ["kvm-proof", "each-driver", "lifecycle", "pause", "snapshot"];
/** They need a network, programs that the bed does not have, or Firecracker's double, whose guest is emulated. */
const ELSEWHERE = [
  "catalog",
  "faults-transfers",
  "golden",
  "image-kinds",
  "images",
  "jailer",
  "kernels",
  "mise",
  "nat",
  "nested",
];

/** BANGER_TEST_NESTED: names or paths of files, `all` that can run in the bed, or nothing for those about drivers. */
export function chosenFiles(asked: string = process.env.BANGER_TEST_NESTED ?? ""): string[] {
  if (asked === "all")
    return everyFile()
      .filter((name) => !ELSEWHERE.includes(name))
      .map(path);
  const names = asked.split(/\s+/).filter(Boolean);
  return names.length === 0 ? USUAL.map(path) : names.map((name) => (name.includes("/") ? name : path(name)));
}

const path = (name: string) => `tests/vm/${name}.test.ts`;

function everyFile(): string[] {
  return readdirSync(fileURLToPath(new URL("../../vm", import.meta.url)))
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => name.replace(/\.test\.ts$/, ""))
    .sort();
}
