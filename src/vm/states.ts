/** Which states of a VM an operation needs, and what to do about one that is in another. */
import { BangerError } from "../core/errors.ts";
import type { VmRecord, VmState } from "../store/vms.ts";

type Wanted = "running" | "stopped" | "paused" | "running or stopped";

/** Refuses a VM that is in none of the states. Pure. @throws vm_wrong_state with the next thing to type */
export function requireState(vm: VmRecord, states: readonly VmState[], wanted: Wanted): void {
  if (!states.includes(vm.state)) throw wrongState(vm, wanted);
}

export function wrongState({ name, state }: Pick<VmRecord, "name" | "state">, wanted: Wanted): BangerError {
  return BangerError.of("vm_wrong_state", {
    name,
    state,
    wanted,
    hint: `banger vm ${verb(state, wanted)} ${name}`,
  });
}

function verb(state: VmState, wanted: Wanted): string {
  if (state === "paused") return "resume";
  if (wanted === "paused") return state === "running" ? "pause" : "start";
  return wanted === "stopped" ? "stop" : "start";
}
