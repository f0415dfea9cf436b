/**
 * The contract between clients and the daemon: one schema per thing that crosses the socket, a file per topic. Types are
 * derived from the schemas; docs/openapi.json is generated from them and tested to be current. Field names are snake_case on
 * the wire and stable.
 */
export * from "./schemas/catalogs.ts";
export * from "./schemas/cleaning.ts";
export { errorBody } from "./schemas/common.ts";
export * from "./schemas/daemon.ts";
export * from "./schemas/files.ts";
export * from "./schemas/images.ts";
export * from "./schemas/kernels.ts";
export * from "./schemas/operations.ts";
export * from "./schemas/ports.ts";
export * from "./schemas/processes.ts";
export * from "./schemas/rates.ts";
export * from "./schemas/snapshots.ts";
export * from "./schemas/stores.ts";
export * from "./schemas/vms.ts";
export * from "./schemas/workspaces.ts";
