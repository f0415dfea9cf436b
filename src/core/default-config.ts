/**
 * What it means that there is no config.toml: what the schema gives for an empty one, kept equal by a test. Apart from it,
 * because the schema's library takes a client 50 ms to load.
 */
import type { Config } from "./config.ts";
import { GIB } from "./units.ts";

export const DEFAULT_CONFIG: Config = {
  log_level: "info",
  default_image: "debian-bookworm",
  default_kernel: "debian-cloud",
  driver: "auto",
  auto_stop_after: 0,
  warm_cache: 2 * GIB,
  standby: 8,
  stats_interval: 2000,
  default_dns: [],
  trust_host_ca: false,
  vm_defaults: {},
  catalogs: [],
  file_sync: [],
};
