/** The drivers that a test's daemon is begun with, one after the other: QEMU, a real Firecracker where one is named, and the double that plays it. */
import type { DriverName } from "../../src/vmm/driver.ts";
import { type CommandResult, configureHome } from "./command.ts";
import type { DoubleHost } from "./double-host.ts";
import { doubleTooSlow } from "./each-driver.ts";
import type { TestHome } from "./home.ts";
import { kvmHostMissing } from "./kvm-host.ts";
import { firecrackerMissing, qemuMissing } from "./suite-driver.ts";

export interface DaemonDriver {
  /** For messages. */
  readonly title: string;
  readonly driver: DriverName;
  /** Why there can be no such daemon here; false when there can. */
  readonly missing: string | false;
  /** Writes config.toml; `more` is added to it. */
  configure(more?: string): Promise<void>;
  /** Begins a daemon where the driver works. */
  begin(): Promise<CommandResult>;
}

export function daemonDrivers(host: DoubleHost, home: TestHome): DaemonDriver[] {
  const configure = (more?: string) => configureHome(home.path, more); // it names the run's own Firecracker
  const begin = () => home.run(["daemon", "start"]);
  return [
    {
      title: "qemu",
      driver: "qemu",
      missing: qemuMissing(),
      configure,
      begin,
    },
    {
      title: "firecracker",
      driver: "firecracker",
      missing: firecrackerMissing(),
      configure,
      begin,
    },
    {
      title: "the double",
      driver: "firecracker",
      missing: kvmHostMissing || doubleTooSlow(),
      configure: (more) => host.configure(home, undefined, more),
      begin: () => host.run(home, ["daemon", "start"]),
    },
  ];
}
