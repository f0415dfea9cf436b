/** What stands behind the double's API. */
import type { Duplex } from "node:stream";
import type { Calls } from "../../../src/vmm/firecracker/api.ts";

/** What was configured before the start. */
export interface Configured {
  machine: Calls["PUT /machine-config"];
  boot: Calls["PUT /boot-source"] | null;
  /** In the order in which they were attached. */
  drives: Calls["PUT /drives/{drive_id}"][];
  network: Calls["PUT /network-interfaces/{iface_id}"] | null;
  vsock: Calls["PUT /vsock"] | null;
}

export interface Guest {
  /** A connection to what listens on a port in the guest; null when nobody does. */
  connect(port: number): Promise<Duplex | null>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Writes memory to a new file, whatever its form is; the API gives it Firecracker's size. */
  save(memory: string): Promise<void>;
  resized(drive: string): Promise<void>;
  end(): void;
}

export interface GuestEvents {
  /** The guest's agent begins to listen. */
  onListening(): void;
  onConsole(chunk: Buffer): void;
  /** The guest reset itself. */
  onReset(): void;
}
