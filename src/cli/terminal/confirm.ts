/** A question to the user, on stderr. */
import type { Context } from "../context.ts";
import { Interrupted } from "../exit.ts";

/** Whether there is somebody to ask. */
export const canAsk = ({ stdin, stderr }: Pick<Context, "stdin" | "stderr">): boolean =>
  stdin.isTTY === true && stderr.isTTY === true;

/** Asks; call only where `canAsk`. @throws Interrupted when the answer is Ctrl-C */
export async function confirmed(
  context: Pick<Context, "stderr">,
  message: string,
  initialValue = true,
): Promise<boolean> {
  const { confirm, isCancel } = await import("@clack/prompts");
  const answer = await confirm({ message, initialValue, output: context.stderr });
  if (isCancel(answer)) throw new Interrupted("SIGINT");
  return answer;
}
