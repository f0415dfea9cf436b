/** Which of the VM suite's files run in the nested bed. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const USUAL = ["kvm-proof", "each-driver", "lifecycle", "pause", "snapshot"];

const NETWORK = "the bed has no network";
const DOUBLE = "it is about Firecracker's double, whose guest is emulated: here it would be twice";
/** What `all` leaves out, and why. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  catalog: NETWORK,
  "faults-transfers": NETWORK,
  golden: NETWORK,
  "image-kinds": NETWORK,
  images: NETWORK,
  jailer: DOUBLE,
  kernels: NETWORK,
  mise: NETWORK,
  nat: DOUBLE,
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
