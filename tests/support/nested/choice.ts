/** Which of the VM suite's files run in the nested bed. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const USUAL = ["kvm-proof", "each-driver", "lifecycle", "pause", "snapshot"];

const SUPPLIES =
  "it is about obtaining images and kernels, for which the bed has neither a network nor the programs";
/** What `all` leaves out, and why. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  catalog: SUPPLIES,
  "faults-transfers": SUPPLIES,
  golden: SUPPLIES,
  "image-kinds": SUPPLIES,
  images: SUPPLIES,
  jailer: "it is about Firecracker's double, whose guest would be emulated twice",
  kernels: SUPPLIES,
  mise: SUPPLIES,
  nat: "the bed has no network",
  nested: "its bed would be one in the bed",
};

export interface ChosenFile {
  readonly path: string;
  /** Why it is left out. */
  readonly skip: string | false;
}

/** BANGER_TEST_NESTED: names or paths of files, `all`, or nothing for those about drivers. What is named runs in any case. */
export function chosenFiles(asked: string = process.env.BANGER_TEST_NESTED ?? ""): ChosenFile[] {
  if (asked === "all")
    return everyFile().map((name) => ({ path: path(name), skip: ELSEWHERE[name] ?? false }));
  const names = asked.split(/\s+/).filter(Boolean);
  return (names.length === 0 ? USUAL : names).map((name) => ({ path: path(name), skip: false }));
}

const path = (name: string) => (name.includes("/") ? name : `tests/vm/${name}.test.ts`);

function everyFile(): string[] {
  return readdirSync(fileURLToPath(new URL("../../vm", import.meta.url)))
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => name.replace(/\.test\.ts$/, ""))
    .sort();
}
