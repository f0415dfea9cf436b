/** A guest without a machine: the agent's program on this host. Pausing it stops its process; its memory is not saved. */
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { untilListening } from "../../../src/daemon/listen.ts";
import { connectUnix } from "../../../src/host/unix-socket.ts";
import type { Guest, GuestEvents } from "./guest.ts";

const SOCKET = resolve("agent.sock");
const START_MS = 20_000;

export async function startAgentGuest(program: string, events: GuestEvents): Promise<Guest> {
  const child = spawn(program, ["--hosted", "--listen", SOCKET], { stdio: "ignore" });
  child.once("exit", events.onReset);
  let listens = false; // not before the look at it has ended: the agent drops a connection for a newer one
  void untilListening(SOCKET, START_MS).then(() => {
    listens = true;
    events.onListening();
  });
  return {
    connect: async (port) => (port === 7000 && listens ? connectUnix(SOCKET) : null),
    pause: async () => void child.kill("SIGSTOP"),
    resume: async () => void child.kill("SIGCONT"),
    save: (memory) => writeFile(memory, "nothing\n", { flag: "wx", mode: 0o600 }),
    resized: async () => {},
    end: () => void child.kill("SIGKILL"),
  };
}
