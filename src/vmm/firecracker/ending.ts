/** How a Firecracker ended, by the end of its log. What it was killed with it cannot tell. */
import type { MachineExit } from "../driver.ts";

/** Time and place before each line of the log. */
const PREFIX = /^\S+ \[[^\]]*\] /;
/** The last thing said by one that ends by itself; why stands in the line before. */
const GIVES_UP = "Firecracker exiting with error";
/** One of these is itself the reason. */
const DIES = /panicked at|after intercepting signal/;

/** Pure. Null when the log tells of no end: whatever else stands in it has nothing to do with that. */
export function endingOf(log: string): MachineExit | null {
  // It says so when its guest resets, which is also how a guest powers off here.
  if (/Vmm is stopping|exit_code=0/i.test(log))
    return { expected: true, reason: "the guest powered itself off or rebooted" };
  const lines = log.trim().split("\n");
  const last = lines.findLastIndex((line) => line.includes(GIVES_UP) || DIES.test(line));
  const why = lines[last]?.includes(GIVES_UP) && last > 0 ? lines[last - 1] : lines[last];
  return why === undefined
    ? null
    : { expected: false, reason: `Firecracker ended: ${why.replace(PREFIX, "")}` };
}
