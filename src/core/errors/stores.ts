/** Disks, and the folders that banger keeps things in. */
import { EXIT } from "../exit-codes.ts";
import type { Entries } from "./entry.ts";

export const storesErrors = {
  no_space: {
    status: 507,
    exit: EXIT.failure,
    message: "not enough disk space for {what}: {needed} needed, {available} free on {path}",
    hint: "free some space, or ask for less",
  },
  state_unreadable: {
    status: 500,
    exit: EXIT.failure,
    message: "{path} cannot be used: {reason}",
    hint: "it must be a folder that you own and can write to",
  },
  database_newer: {
    status: 500,
    exit: EXIT.failure,
    message: "the state database is of a newer banger (schema {found}, this program knows {known})",
    hint: "update banger, or use another XDG_STATE_HOME",
  },
  database_corrupt: {
    status: 500,
    exit: EXIT.failure,
    message: "the state database {path} is damaged: {reason}",
    hint: "restore it from {path}.backup, or move it away to start afresh (VM disks stay in place)",
  },
} as const satisfies Entries;
