/** The drivers that a test's daemon is begun with, one after the other: QEMU, a real Firecracker where one is named, and the double that plays it. */
import type { DriverName } from "../../src/vmm/driver.ts";
import { type CommandResult, configureHome } from "./command.ts";
import type { DoubleHost } from "./double-host.ts";
import { doubleTooSlow } from "./each-driver.ts";
import type { TestHome } from "./home.ts";
import { jailsMissing } from "./jails-missing.ts";
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
    theDouble(host, home),
  ];
}

function theDouble(host: DoubleHost, home: TestHome): DaemonDriver {
  return {
    title: "the double",
    driver: "firecracker",
    missing: kvmHostMissing || doubleTooSlow(),
    configure: (more) => host.configure(home, undefined, more),
    begin: () => host.run(home, ["daemon", "start"]),
  };
}

/** The double once more, started by its jailer's. After the others: a jailer that is there is used. */
export function jailedDouble(host: DoubleHost, home: TestHome): DaemonDriver {
  const double = theDouble(host, home);
  return {
    ...double,
    title: "the double under its jailer",
    missing: double.missing || jailsMissing,
    configure: (more) => {
      host.installJailer();
      return double.configure(more);
    },
  };
}
