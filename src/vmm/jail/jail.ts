/** What keeps a monitor apart from the rest of the host. Whoever takes the monitor over reaches its own VM and what that boots from. */

export interface Confinement {
  /** The VM's folder: the only one with files that it may write. The monitor is started in it. */
  readonly writable: string;
  /** Files visible read-only, at their own paths. */
  readonly readOnly: readonly string[];
  /** Device nodes to pass through, such as /dev/kvm; the monitor itself tells best what it misses. */
  readonly devices: readonly string[];
}

export interface Jail {
  /** The folder in which the monitor's relative paths begin, as seen from outside: there its sockets appear. */
  inside(folder: string): string;
  /** The command line that runs a program confined; what that needs is in place when it is returned. */
  enter(
    confinement: Confinement,
    program: string,
    args: readonly string[],
  ): Promise<readonly [string, ...string[]]>;
}
