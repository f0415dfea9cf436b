/** banger for programs: `import { Banger } from "banger"`. */
export type {
  Bundled,
  CatalogStatus,
  DaemonStatus,
  FileEntry,
  FileEvent,
  GuestProcess,
  Image,
  ImageDetails,
  Kernel,
  KernelDetails,
  Operation,
  OperationEvent,
  Part,
  Pruned,
  Published,
  PublishedPort,
  Snapshot,
  VerifiedCatalog,
  Vm,
  VmPorts,
  VmState,
  VmStats,
  WaitFor,
  WorkspaceExport,
} from "../api/schemas.ts";
export { BangerError, type ErrorCode } from "../core/errors.ts";
export { Banger, type CreateOptions, type PublishOptions, type RestoreOptions } from "./banger.ts";
export type { Catalogs, PublicationOptions, Publishing } from "./catalogs.ts";
export type { Cleaning } from "./cleaning.ts";
export type { ConnectOptions } from "./connect.ts";
export type { Copied, CopyOptions } from "./copy.ts";
export type { Execution, Started } from "./execution.ts";
export { type ExecResult, type ExitStatus, exitCode } from "./exit-status.ts";
export type { Files, WriteOptions } from "./files.ts";
export type { Forward, ForwardOptions } from "./forward-port.ts";
export type { ImageExportOptions, ImageImportOptions, Images, Store } from "./images.ts";
export type { KernelFiles, Kernels } from "./kernels.ts";
export type { Lease } from "./lease.ts";
export type { FollowOptions } from "./operations.ts";
export type { DiskRateOptions, NetRateOptions } from "./rates.ts";
export type { AttachOptions, ExecOptions, ForkOptions, Sandbox, Settings } from "./sandbox.ts";
export type { Snapshots } from "./snapshots.ts";
export type { ExportOptions, PrepareOptions, Workspace, WorkspaceInfo } from "./workspace.ts";
