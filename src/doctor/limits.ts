/** Whether a monitor's memory and processes are limited. */
import { usableGroups } from "../host/control-groups.ts";
import { pass, type Row, warn } from "./row.ts";

/** Tries to make a control group, which is gone again afterwards. */
export async function checkLimits(): Promise<Row> {
  const place = await usableGroups();
  if (place)
    return pass(
      "limits",
      `monitors' memory and processes are limited (control groups version ${place.version})`,
    );
  return warn(
    "limits",
    "this user may make no control groups here, so monitors' memory and processes are not limited",
    "start the daemon where systemd delegates them: systemd-run --user --scope -p Delegate=yes banger daemon restart",
  );
}
