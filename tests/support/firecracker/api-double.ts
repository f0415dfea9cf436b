/** The double's API: one state machine behind a unix socket. */

import { copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setImmediate as immediate } from "node:timers/promises";
import type { CallName, Calls } from "../../../src/vmm/firecracker/api.ts";
import { Fault, mustBeTap, mustExist, savedState } from "./checks.ts";
import { type Description, wrongAnswer, wrongRequest, wrongValue } from "./description.ts";
import type { Configured, Guest } from "./guest.ts";
import { fillUp } from "./memory-file.ts";
import type { Plan, RecordedCall } from "./plan.ts";
import { callOf, type Phase, RULES, wrongPhase } from "./rules.ts";

export interface DoubleSettings {
  readonly id: string;
  readonly plan: Plan;
  readonly description: Description | null;
  record(call: RecordedCall): void;
  console(chunk: Buffer): void;
  die(): void;
  onReset(): void;
}

/** Of micro_http's. */
const MAX_BODY = 51_200;
const ELF = "\x7fELF";
const MIB = 1024 * 1024;

export class ApiDouble {
  readonly #settings: DoubleSettings;
  readonly #configured: Configured = {
    machine: { vcpu_count: 1, mem_size_mib: 128, smt: false },
    boot: null,
    drives: [],
    network: null,
    vsock: null,
  };
  #phase: Phase = "Not started";
  #touched = false;
  #guest: Guest | null = null;
  #turn: Promise<void> = Promise.resolve();
  #started = 0;

  constructor(settings: DoubleSettings) {
    this.#settings = settings;
  }

  listen(path: string): void {
    // Firecracker leaves idle connections open.
    createHttpServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (request, response) => {
      // One at a time, in order, as Firecracker's one thread does; what came together is first taken note of.
      const at = performance.timeOrigin + performance.now();
      this.#turn = this.#turn.then(() => immediate()).then(() => this.#serve(request, response, at));
    }).listen(path, () => {
      this.#started = performance.now();
    });
  }

  endGuest(): void {
    this.#guest?.end();
  }

  async #serve(request: IncomingMessage, response: ServerResponse, at: number): Promise<void> {
    const method = request.method ?? "";
    const path = request.url ?? "";
    const sent = await text(request);
    const body: unknown = sent === "" ? undefined : JSON.parse(sent);
    const name = callOf(method, path);
    if (name !== null && name === this.#settings.plan.dieAt) return this.#settings.die();
    let status = 204;
    let answer: unknown;
    try {
      if (sent.length > MAX_BODY) throw new Fault("Request payload is too large");
      if (method === "GET") [status, answer] = [200, this.#read(path)];
      else await this.#change(name, method, path, body);
    } catch (error) {
      if (!(error instanceof Fault)) process.stderr.write(`${(error as Error).stack}\n`);
      [status, answer] = [400, { fault_message: (error as Error).message }];
    }
    const { description } = this.#settings;
    const wrong = description && wrongAnswer(description, method, path, status, answer);
    if (wrong) process.stderr.write(`the double itself answers wrongly: ${wrong}\n`);
    this.#settings.record({ method, path, body, status, answer, at, started: this.#started });
    const content = answer === undefined ? "" : JSON.stringify(answer);
    const length =
      content === "" ? {} : { "Content-Type": "application/json", "Content-Length": content.length };
    response.writeHead(status, { Server: "Firecracker API", Connection: "keep-alive", ...length });
    response.end(content);
  }

  #read(path: string): unknown {
    const { id, plan } = this.#settings;
    if (path === "/") return { id, state: this.#phase, vmm_version: plan.version, app_name: "Firecracker" };
    if (path === "/version") return { firecracker_version: plan.version };
    if (path === "/vm/config") {
      const { drives, machine, network } = this.#configured;
      return { drives, "machine-config": machine, "network-interfaces": network ? [network] : [] };
    }
    throw new Fault(`Invalid request method and/or path: GET ${path}`);
  }

  async #change(name: CallName | null, method: string, path: string, body: unknown): Promise<void> {
    const { description, plan } = this.#settings;
    const wrong = description && wrongRequest(description, method, path, body);
    if (wrong) throw new Fault(`An error occurred when deserializing the json body of a request: ${wrong}`);
    if (name === null) throw new Fault(`Invalid request method and/or path: ${method} ${path}`);
    const unruly = wrongValue({ definitions: {} }, RULES[name].body, body, "body");
    if (unruly) throw new Fault(`An error occurred when deserializing the json body of a request: ${unruly}`);
    const early = wrongPhase(name, this.#phase);
    if (early) throw new Fault(early);
    const refusal = plan.refuse?.[name];
    if (refusal !== undefined) throw new Fault(refusal);
    await this.#carryOut(name, body as never);
    this.#touched = true;
  }

  async #carryOut(name: CallName, body: never): Promise<void> {
    const configured = this.#configured;
    const as = <Name extends CallName>() => body as Calls[Name];
    switch (name) {
      case "PUT /machine-config":
        configured.machine = as<"PUT /machine-config">();
        return;
      case "PUT /boot-source":
        configured.boot = as<"PUT /boot-source">();
        mustExist("kernel", configured.boot.kernel_image_path);
        mustExist("initrd", configured.boot.initrd_path);
        return;
      case "PUT /drives/{drive_id}":
        mustExist("block device", as<"PUT /drives/{drive_id}">().path_on_host);
        configured.drives.push(as<"PUT /drives/{drive_id}">());
        return;
      case "PATCH /drives/{drive_id}":
        return this.#changeDrive(as<"PATCH /drives/{drive_id}">());
      case "PUT /network-interfaces/{iface_id}":
        configured.network = as<"PUT /network-interfaces/{iface_id}">();
        return mustBeTap(configured.network.host_dev_name);
      case "PATCH /network-interfaces/{iface_id}":
        return this.#changeNetwork(as<"PATCH /network-interfaces/{iface_id}">());
      case "PUT /vsock":
        configured.vsock = as<"PUT /vsock">();
        return this.#serveVsock(configured.vsock.uds_path);
      case "PUT /entropy":
        return;
      case "PUT /actions":
        return this.#start();
      case "PATCH /vm":
        return this.#pauseOrResume(as<"PATCH /vm">().state);
      case "PUT /snapshot/create":
        return this.#save(as<"PUT /snapshot/create">());
      case "PUT /snapshot/load":
        return this.#load(as<"PUT /snapshot/load">());
    }
  }

  async #changeDrive({ drive_id, path_on_host }: Calls["PATCH /drives/{drive_id}"]): Promise<void> {
    if (!this.#configured.drives.some((drive) => drive.drive_id === drive_id))
      throw new Fault(`Unable to patch the block device: Invalid block device ID: ${drive_id}`);
    if (path_on_host !== undefined) await this.#guest?.resized(drive_id);
  }

  #changeNetwork({ iface_id }: Calls["PATCH /network-interfaces/{iface_id}"]): void {
    if (this.#configured.network?.iface_id !== iface_id)
      throw new Fault(`Unable to patch the network device: Invalid network interface ID: ${iface_id}`);
  }

  async #start(): Promise<void> {
    const { boot } = this.#configured;
    if (!boot) throw new Fault("Cannot start microvm without kernel configuration.");
    if (readFileSync(boot.kernel_image_path).toString("latin1", 0, 4) !== ELF)
      throw new Fault("Kernel Loader error: Invalid Elf magic number");
    this.#guest = await this.#makeGuest();
    this.#phase = "Running";
  }

  async #makeGuest(memory?: string): Promise<Guest | null> {
    const { plan, console, onReset } = this.#settings;
    const events = { onListening: () => this.#knock(), onConsole: console, onReset };
    if (plan.guest === "none") return null;
    if (plan.guest === "agent") {
      const { startAgentGuest } = await import("./agent-guest.ts");
      return startAgentGuest(plan.agent ?? "", events);
    }
    const { startQemuGuest } = await import("./qemu-guest.ts");
    return startQemuGuest(this.#configured, events, plan.accelerator ?? "tcg", memory);
  }

  async #pauseOrResume(state: "Paused" | "Resumed"): Promise<void> {
    if (state === "Paused") await this.#guest?.pause();
    else await this.#guest?.resume();
    this.#phase = state === "Paused" ? "Paused" : "Running";
  }

  async #save({ snapshot_path, mem_file_path }: Calls["PUT /snapshot/create"]): Promise<void> {
    if (this.#guest) await this.#guest.save(mem_file_path);
    else writeFileSync(mem_file_path, "nothing\n", { mode: 0o600, flag: "wx" });
    fillUp(mem_file_path, this.#memoryBytes(), this.#settings.plan.guest === "qemu");
    const { boot } = this.#configured;
    // Firecracker has no further use of these; QEMU wants to see them again.
    if (boot && this.#settings.plan.guest === "qemu") {
      copyFileSync(boot.kernel_image_path, `${snapshot_path}.kernel`);
      copyFileSync(boot.initrd_path, `${snapshot_path}.initrd`);
    }
    const state = { version: this.#settings.plan.version, ...this.#configured };
    writeFileSync(snapshot_path, JSON.stringify(state), { mode: 0o600, flag: "wx" });
  }

  #memoryBytes(): number {
    return this.#configured.machine.mem_size_mib * MIB;
  }

  async #load({ snapshot_path, mem_backend, resume_vm }: Calls["PUT /snapshot/load"]): Promise<void> {
    if (this.#touched)
      throw new Fault("Loading a microVM snapshot not allowed after configuring boot-specific resources.");
    mustExist("snapshot", snapshot_path);
    mustExist("memory", mem_backend.backend_path);
    const { version, ...configured } = savedState(snapshot_path);
    if (version !== this.#settings.plan.version)
      throw new Fault(`Load snapshot error: Failed to restore from snapshot: Invalid version ${version}`);
    Object.assign(this.#configured, configured);
    if (statSync(mem_backend.backend_path).size < this.#memoryBytes())
      throw new Fault("Load snapshot error: Failed to restore from snapshot: the memory file is too short");
    const [kernel_image_path, initrd_path] = [`${snapshot_path}.kernel`, `${snapshot_path}.initrd`];
    if (this.#configured.boot)
      this.#configured.boot = { ...this.#configured.boot, kernel_image_path, initrd_path };
    for (const drive of this.#configured.drives) mustExist("block device", drive.path_on_host);
    if (this.#configured.network) mustBeTap(this.#configured.network.host_dev_name);
    this.#serveVsock(this.#configured.vsock?.uds_path ?? "");
    this.#guest = await this.#makeGuest(mem_backend.backend_path);
    this.#phase = "Paused";
    if (resume_vm) await this.#pauseOrResume("Resumed");
  }

  #serveVsock(path: string): void {
    if (existsSync(path)) throw new Fault("Cannot create backend for vsock device: Address in use");
    createServer((socket) => void this.#bridge(socket)).listen(path);
  }

  /** `CONNECT port`, then the guest's own bytes. */
  async #bridge(socket: Socket): Promise<void> {
    socket.on("error", () => {});
    const asked = await new Promise<string>((resolve) =>
      socket.once("data", (chunk) => resolve(chunk.toString("latin1"))),
    );
    const port = /^CONNECT (\d+)\n$/.exec(asked)?.[1];
    const guest = port === undefined ? null : await this.#guest?.connect(Number(port));
    if (!guest || socket.destroyed) {
      guest?.destroy();
      socket.destroy();
      return;
    }
    socket.write("OK 1073741824\n");
    socket
      .pipe(guest)
      .on("error", () => {})
      .pipe(socket);
    guest.once("close", () => socket.destroy());
    socket.once("close", () => guest.destroy());
  }

  /** The guest connects to the host's port 7001. */
  #knock(): void {
    const socket = connect(`${this.#configured.vsock?.uds_path}_7001`, () => socket.destroy());
    socket.on("error", () => {}); // nobody waits
  }
}
