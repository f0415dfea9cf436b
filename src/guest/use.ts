/** What counts as somebody using a VM, as against banger looking after it. */
import type { OperationName } from "./operations.ts";

const USE: ReadonlySet<OperationName> = new Set<OperationName>([
  "proc_start",
  "proc_attach",
  "file_stat",
  "file_list",
  "file_read",
  "file_write",
  "file_mkdir",
  "file_move",
  "file_remove",
  "file_watch",
  "tar_out",
  "tar_in",
  "connect",
]);

/** True for commands, files and connections; false for figures, lists, configuration, power. */
export const isUse = (name: OperationName): boolean => USE.has(name);
