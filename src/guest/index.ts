/** The host end of the guest protocol: what `src/vm` and `src/daemon` use. */
export { failureStatus } from "./failures.ts";
export type { FailureStatus, Hello } from "./operations.ts";
export {
  attachProcess,
  type ExitStatus,
  type GuestProcess,
  listProcesses,
  type OnDisconnect,
  type OutputOffsets,
  type ProcessInfo,
  type ProcessSpec,
  resizeProcess,
  signalProcess,
  startDetachedProcess,
  startProcess,
} from "./processes.ts";
export { type GuestSession, type OpenOptions, openGuest, type RequestOptions } from "./session.ts";
export {
  configure,
  type GuestConfiguration,
  type GuestStats,
  grow,
  powerOff,
  stats,
  sync,
  waitSystem,
} from "./system.ts";
