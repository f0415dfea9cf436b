/** Identifiers and names. */
import { BangerError } from "./errors.ts";

// Loaded where it is used: a client that only checks a name does not need it, and it takes 5 ms.
const crypto = () => process.getBuiltinModule("node:crypto");

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford base 32: no look-alikes

/** A random id such as `vm-7f3k9q2w0x` (50 bits). */
export function newId(prefix: "vm" | "sn" | "op" | "ls"): string {
  const length = prefix === "vm" || prefix === "sn" ? 10 : 6;
  return `${prefix}-${Array.from(crypto().randomBytes(length), (byte) => ALPHABET[byte % 32]).join("")}`;
}

const ADJECTIVES =
  "able agile amber ample azure bold brave brisk calm civil clean clear clever coral cosmic crisp daring deft eager early fair fast fine firm fleet fond fresh gentle glad golden grand happy hardy honest humble ideal jolly keen kind light lively loyal lucid lucky lunar mellow merry mild modest neat noble novel open patient plain polite prime proud pure quick quiet rapid ready robust rosy royal sharp shiny silent silver simple smart smooth snug solar solid sound steady stout sunny super swift tidy trusty upbeat vivid warm wise witty young zesty".split(
    " ",
  );
const NOUNS =
  "acorn anchor apple arrow badger basil beacon beaver birch bison breeze brook canyon cedar cherry cliff clover cobra comet coral crane creek dune eagle ember falcon fern finch fjord forest fox gazelle glacier grove harbor hawk hazel heron hill island ivy jasper juniper lagoon lake larch lark laurel lemon lily lion lotus lynx maple marten meadow mesa mint moon moose nebula oak ocean olive orbit orca osprey otter owl panda pearl pebble pine planet plum pond poppy puma quartz quokka raven reef ridge river robin sage salmon seal sierra sparrow spruce star stone stork summit swan thistle tiger topaz tulip valley violet walnut wave willow wolf wren zebra".split(
    " ",
  );

/** A two-word, hostname-safe name such as `brisk-otter`. The caller retries when it is taken. */
export function newName(): string {
  return `${pick(ADJECTIVES)}-${pick(NOUNS)}`;
}

function pick(words: readonly string[]): string {
  return words[crypto().randomInt(words.length)] ?? "plain";
}

/** Checks that a VM name is a DNS label (RFC 1123). @throws invalid_argument */
export function checkName(name: string): string {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name) || /^vm-[0-9a-z]{10}$/.test(name)) {
    throw BangerError.of("invalid_argument", {
      what: "name",
      problem: `'${name}' cannot be used as a VM name`,
      accepted:
        "1 to 63 of a-z, 0-9 and '-', not starting or ending with '-', and not of the form of an id (vm-…)",
    });
  }
  return name;
}
