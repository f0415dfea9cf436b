/** The machine as a whole: configuration, figures, disk, power. */
import type { RequestOf, ResponseOf } from "./operations.ts";
import type { GuestSession, RequestOptions } from "./session.ts";

/** What `configure` can set; each part may be left out. `mode` of a file: default 0644. */
export type GuestConfiguration = Omit<RequestOf<"configure">, "env" | "files"> & {
  /** Base environment of processes started later; replaces the former one. */
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: readonly { readonly path: string; readonly content: Buffer; readonly mode?: number }[];
};

/** Figures of a guest; counters count from its boot. */
export type GuestStats = ResponseOf<"stats">;

/** Tells the guest who it is: at each start and after each restore. @throws guest_refused naming the part that failed */
export async function configure(
  session: GuestSession,
  configuration: GuestConfiguration,
  options: RequestOptions = {},
): Promise<void> {
  const { env, files, ...rest } = configuration;
  const fields = {
    ...rest,
    env: env && Object.entries(env).map(([name, value]) => Buffer.from(`${name}=${value}`)),
    files: files?.map(({ path, content, mode }) => ({ path: Buffer.from(path), content, mode })),
  };
  await session.request("configure", fields, options);
}

/** What a copy of a machine gets to be a machine of its own, see `renew` in docs/protocol.md. */
export type NewIdentity = RequestOf<"renew">;

/** Makes a copy of a machine one of its own; to be followed by `configure`. @throws guest_refused, also when its agent cannot do it */
export async function renew(
  session: GuestSession,
  identity: NewIdentity,
  options: RequestOptions = {},
): Promise<void> {
  await session.request("renew", identity, options);
}

/** Reads the guest's figures. */
export function stats(session: GuestSession, options: RequestOptions = {}): Promise<GuestStats> {
  return session.request("stats", {}, options);
}

/**
 * Grows the guest's filesystem to its disk, which is `deviceBytes` large as soon as the guest has heard of it.
 * @returns the filesystem's new size in bytes
 */
export async function grow(
  session: GuestSession,
  deviceBytes: number,
  options: RequestOptions = {},
): Promise<number> {
  return (await session.request("grow", { deviceBytes }, options)).bytes;
}

/** Returns once everything written before is on the virtual disk. */
export async function sync(session: GuestSession, options: RequestOptions = {}): Promise<void> {
  await session.request("sync", {}, options);
}

/** Asks the guest to shut down (or to reboot) and returns; the machine goes down on its own. */
export async function powerOff(
  session: GuestSession,
  options: RequestOptions & { readonly reboot?: boolean; readonly graceMs?: number } = {},
): Promise<void> {
  await session.request("poweroff", { reboot: options.reboot, graceMs: options.graceMs }, options);
}

/** Waits for the image's init to finish starting: `running`, `degraded`, or `starting` when `timeoutMs` was not enough. */
export async function waitSystem(
  session: GuestSession,
  options: RequestOptions & { readonly timeoutMs?: number } = {},
): Promise<string> {
  return (await session.request("wait_system", { timeoutMs: options.timeoutMs }, options)).state;
}
