/**
 * Where banger keeps things, by the XDG base directory specification. Everything below is 0700 and banger's own.
 *
 *     state/   state.db, vms/<id>/, snapshots/<id>/, images/, kernels/, run/ (sockets, when there is no XDG_RUNTIME_DIR), daemon.log
 *     cache/   what can be made again: downloads, disk templates, initramfs files, the agent binary
 *     config/  config.toml, written by the user only
 */
import { userInfo } from "node:os";
import { isAbsolute, join } from "node:path";

export interface Paths {
  readonly state: string;
  readonly cache: string;
  readonly config: string;
  /** Folder of the daemon's socket. */
  readonly run: string;
}

/** The user's home: HOME, or the system's record when that is empty or relative (os.homedir() would believe it). */
export function homeFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env.HOME && isAbsolute(env.HOME) ? env.HOME : userInfo().homedir;
}

/** Resolves the folders from the environment; creates nothing. Relative XDG values are ignored, as the standard asks. */
export function resolvePaths(env: NodeJS.ProcessEnv = process.env): Paths {
  const home = homeFolder(env);
  const base = (name: string, fallback: string) => {
    const value = env[name];
    return join(value && isAbsolute(value) ? value : join(home, fallback), "banger");
  };
  const state = base("XDG_STATE_HOME", ".local/state");
  const runtime = env.XDG_RUNTIME_DIR;
  return {
    state,
    cache: base("XDG_CACHE_HOME", ".cache"),
    config: base("XDG_CONFIG_HOME", ".config"),
    run: runtime && isAbsolute(runtime) ? join(runtime, "banger") : join(state, "run"),
  };
}

export const daemonSocket = (paths: Paths) => join(paths.run, "banger.sock");
export const daemonLog = (paths: Paths) => join(paths.state, "daemon.log");
export const databaseFile = (paths: Paths) => join(paths.state, "state.db");
export const configFile = (paths: Paths) => join(paths.config, "config.toml");
export const vmDirectory = (paths: Paths, id: string) => join(paths.state, "vms", id);
/** Not below the VM's folder: the VM's monitor can write there, and git runs in this one. */
export const workspaceDirectory = (paths: Paths, id: string) => join(paths.state, "workspaces", id);
