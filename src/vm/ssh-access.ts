/** What lets ssh into VMs: the key that guests are given, banger's ssh configuration, the host keys that were seen. */
import { Turns } from "../core/turns.ts";
import { forgetHosts } from "../host/known-hosts.ts";
import type { Paths } from "../host/paths.ts";
import { HOST_SUFFIX, writeSshConfig } from "../host/ssh-config.ts";
import { sshPublicKey } from "../host/ssh-key.ts";
import type { Log } from "./context.ts";

interface NamedVm {
  readonly id: string;
  readonly name: string;
}

interface Records {
  list(): readonly NamedVm[];
}

/** One per daemon: what it writes is written in turn. */
export class SshAccess {
  readonly #paths: Paths;
  readonly #keyPath: () => string | undefined;
  readonly #vms: Records;
  readonly #log: Log;
  readonly #turns = new Turns();

  /** @param keyPath `ssh_key_path` as it is now */
  constructor(paths: Paths, keyPath: () => string | undefined, vms: Records, log: Log) {
    this.#paths = paths;
    this.#keyPath = keyPath;
    this.#vms = vms;
    this.#log = log;
  }

  /** The public key for guests; made on first need. Null without ssh on the host. @throws ssh_key_unusable */
  publicKey(): Promise<string | null> {
    return this.#turns.run("ssh", () => sshPublicKey(this.#paths, this.#keyPath()));
  }

  /**
   * Brings the configuration in line with the VMs that there are: after one was made, deleted or got another name.
   * Never fails: a VM is reachable by other ways, so it is told in the log alone.
   */
  refresh(): Promise<void> {
    return this.#quietly(() => writeSshConfig(this.#paths, this.#vms.list(), this.#keyPath()));
  }

  /** As `refresh`, and forgets the host keys of VMs that there are not. */
  async tidy(): Promise<void> {
    await this.refresh();
    await this.#quietly(() => {
      const known = new Set(this.#vms.list().flatMap(({ id, name }) => [id, `${name}${HOST_SUFFIX}`]));
      return forgetHosts(this.#paths, (host) => known.has(host));
    });
  }

  async #quietly(work: () => Promise<void>): Promise<void> {
    await this.#turns.run("ssh", work).catch((error: unknown) => {
      this.#log.warn({ err: error }, "ssh's configuration could not be written");
    });
  }
}
