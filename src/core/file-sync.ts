/** `[[file_sync]]` of config.toml: host files that every VM gets at each start (spec 3.3). */
import { z } from "zod";

const HOME = /^~(\/|$)/;

/** The rules that both ends share. */
const path = z
  .string()
  .min(1, "must not be empty")
  .refine((text) => !text.includes("\0"), "must not have a NUL in it")
  .refine((text) => !text.split("/").includes(".."), "must not contain '..'")
  .refine((text) => !text.startsWith("~") || HOME.test(text), "must not name another user's home (~user)");

const host = path
  .refine(
    (text) => HOME.test(text) || text.startsWith("/") || text === "",
    "must be absolute or begin with ~/",
  )
  .describe("File or directory of this host, `~/…` or absolute. A missing one is told and passed over.");

const guest = path
  .transform((text) => (HOME.test(text) ? text.replace("~", "/root") : text).replace(/\/+/g, "/"))
  .refine((text) => /^\/root\/./.test(text), "must begin with ~/ or /root/ and name something below it")
  .transform((text) => text.replace(/\/$/, ""))
  .describe(
    "Where it goes in the VM, `~/…` or below `/root`. What is there is replaced, directories are merged.",
  );

const mode = z
  .string()
  .regex(/^0?[0-7]{3}$/, 'must be an octal string of permission bits, such as "0600"')
  .transform((text) => Number.parseInt(text, 8))
  .prefault("0600")
  .describe("Permission bits of a file, an octal string. A directory keeps the modes of its source.");

export const fileSync = z.strictObject({ host, guest, mode });

/** An entry with its guest path absolute. */
export type FileSync = z.output<typeof fileSync>;
