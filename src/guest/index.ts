/** The host end of the guest protocol: what `src/vm` and `src/daemon` use. */
export {
  openArchive,
  type ReadArchiveOptions,
  readArchive,
  type WriteArchiveOptions,
  writeArchive,
} from "./archives.ts";
export { failureStatus } from "./failures.ts";
export type { FileEntry, GuestPath } from "./file-entry.ts";
export {
  listFiles,
  listTree,
  makeDirectory,
  moveFile,
  readFile,
  removeFile,
  statFile,
  type WriteOptions,
  writeFile,
} from "./files.ts";
export { connectPort, type Listener, listListeners } from "./network.ts";
export type { FailureStatus, Hello } from "./operations.ts";
export {
  type AttachSpec,
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
  startProcess,
} from "./processes.ts";
export { type GuestSession, type OpenOptions, openGuest, type RequestOptions } from "./session.ts";
export {
  configure,
  type GuestConfiguration,
  type GuestStats,
  grow,
  type NewIdentity,
  powerOff,
  renew,
  stats,
  sync,
  waitSystem,
} from "./system.ts";
export type { Transferred } from "./transfer.ts";
export { type FileChange, type FileWatch, type WatchOptions, watchFiles } from "./watch.ts";
