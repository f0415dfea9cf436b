/** `bundle`, `publish` and `verify` of images and of kernels. */
import { resolve } from "node:path";
import { asBangerError, BangerError } from "../core/errors.ts";
import { formatSize } from "../core/units.ts";
import type { Banger, Bundled, Published, Publishing } from "../sdk/index.ts";
import { json, quiet, text, type Values } from "./command.ts";
import type { Context } from "./context.ts";
import { problem } from "./terminal/problem.ts";
import { withProgress } from "./terminal/progress.ts";

const as = text("--as <name>", "the name that it gets there; default: its own");

export const bundleOptions = { as, quiet, json };
export const publishOptions = {
  to: text("--to <path>", "folder of the catalog; made when it is missing"),
  key: text("--key <file>", "your private key, made by 'banger catalog keygen'"),
  as,
  description: text("--description <text>", "what people read in lists"),
  distro: text("--distro <name>", "such as debian"),
  quiet,
  json,
};
export const verifyOptions = { quiet };

export type StoreOf = (banger: Banger) => Publishing;

/** @param folder default: where the command is typed */
export async function bundle(
  context: Context,
  storeOf: StoreOf,
  args: readonly string[],
  options: Values<typeof bundleOptions>,
): Promise<Bundled> {
  const [name = "", folder = "."] = args;
  const store = storeOf(await context.connect());
  return withProgress(context, options.quiet, (following) =>
    store.bundle(name, resolve(folder), { as: options.as, ...following }),
  );
}

export const renderBundled = ({ path, size_bytes }: Bundled) => `${path} (${formatSize(size_bytes)})\n`;

export async function publish(
  context: Context,
  storeOf: StoreOf,
  name: string,
  options: Values<typeof publishOptions> & { readonly kernel?: string | undefined },
): Promise<Published> {
  const { to, key, quiet: still, as: named, description, distro, kernel } = options;
  if (to === undefined) throw missing("--to", "--to FOLDER names the folder of the catalog");
  if (key === undefined)
    throw missing("--key", "--key FILE names your key; banger catalog keygen FILE makes one");
  const store = storeOf(await context.connect());
  const facts = { as: named, description, distro, kernel };
  const given = Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
  return withProgress(context, still, (following) =>
    store.publish(name, { folder: resolve(to), key: resolve(key), ...given, ...following }),
  );
}

function missing(what: string, accepted: string): BangerError {
  return BangerError.of("invalid_argument", { what, problem: "it is needed", accepted });
}

export const renderPublished = ({ name, serial, changed, file }: Published) =>
  changed
    ? `${name} is in the catalog (serial ${serial}): ${file}\n`
    : `${name} was in the catalog already (serial ${serial})\n`;

export interface Verified {
  readonly good: readonly string[];
  readonly ok: boolean;
}

/** Checks several; goes on with the others when one is damaged. */
export async function verify(
  context: Context,
  storeOf: StoreOf,
  names: readonly string[],
  still: boolean,
): Promise<Verified> {
  const store = storeOf(await context.connect());
  const wanted = [...new Set(names)];
  const good: string[] = [];
  for (const name of wanted) {
    await withProgress(context, still, (following) => store.verify(name, following)).then(
      () => good.push(name),
      (error: unknown) => {
        const known = asBangerError(error);
        if (known.code === "internal") throw error;
        context.stderr.write(problem(known, context.style));
      },
    );
  }
  return { good, ok: good.length === wanted.length };
}

export const renderVerified = ({ good }: Verified) => good.map((name) => `${name} is whole\n`).join("");
