/** Who runs this, as the host knows it. */
import { userInfo } from "node:os";

export interface Account {
  readonly name: string;
  /** Whatever HOME says. */
  readonly home: string;
}

/** Null where the user's id has no entry, as in some containers. ssh and ssh-keygen serve nobody who has none. */
export function account(): Account | null {
  try {
    const { username, homedir } = userInfo();
    return { name: username, home: homedir };
  } catch {
    return null;
  }
}
