import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { Qmp } from "../../../src/vmm/qemu/qmp.ts";
import { memoryFile, type SavePlace, saveMachine, stateFile } from "../../../src/vmm/qemu/state-file.ts";
import { socketPair } from "../../support/socket-pair.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const PIECE = Buffer.alloc(64 * 1024, "m");
const { signal } = new AbortController();

/** A monitor whose machine never comes to rest: it sends memory until it is stopped, and a last piece then. */
async function restless(t: TestContext) {
  const directory = temporaryFolder(t);
  const folder = join(directory, "saved");
  mkdirSync(folder);
  const { near, far } = await socketPair(t);
  const asked: { execute: string; arguments: Record<string, unknown> }[] = [];
  let channel: Socket;
  const event = (name: string, data = {}) => far.write(`${JSON.stringify({ event: name, data })}\n`);
  const send = (): void => {
    if (asked.some(({ execute }) => execute === "stop")) {
      event("STOP");
      channel.end("last", () => event("MIGRATION", { status: "completed" }));
    } else {
      channel.write(PIECE, () => setImmediate(send));
    }
  };
  const lines = createInterface({ input: far });
  lines.on("error", () => {});
  lines.on("line", (line) => {
    const command = JSON.parse(line);
    asked.push(command);
    far.write('{"return": {}}\n');
    if (command.execute !== "migrate") return;
    channel = connect(join(directory, command.arguments.uri.replace("unix:", "")));
    channel.on("error", () => {});
    t.after(() => channel.destroy());
    channel.on("connect", send);
  });
  far.write('{"QMP": {}}\n');
  const qmp = await Qmp.open(near);
  const save = (place: Omit<SavePlace, "directory">) =>
    saveMachine(qmp, { directory, ...place }, folder, signal);
  return { qmp, asked, directory, folder, save };
}

test("a machine that changes its memory all the time is stopped when enough was written, and saved to its end", async (t) => {
  const { qmp, asked, folder, save } = await restless(t);
  let stopped = 0;
  qmp.onStop = () => stopped++;
  const stopAfter = 20 * PIECE.length;
  await save({ stopAfter });
  const saved = readFileSync(stateFile(folder));
  assert.ok(saved.length >= stopAfter, "not before");
  assert.equal(saved.subarray(-4).toString(), "last");
  assert.equal(stopped, 1);
  assert.equal(asked.filter(({ execute }) => execute === "stop").length, 1, "told once");
});

test("memory that lies apart is copied without its holes, and the monitor is told to leave it out", async (t) => {
  const { qmp, asked, directory, folder, save } = await restless(t);
  const memory = join(directory, "memory");
  writeFileSync(memory, Buffer.concat([Buffer.alloc(8 * 2 ** 20), Buffer.from("used")]));
  await qmp.execute("stop");
  await save({ memory });
  assert.deepEqual(readdirSync(folder).sort(), ["qemu.memory", "qemu.state"]);
  assert.ok(readFileSync(memoryFile(folder)).equals(readFileSync(memory)));
  assert.ok(statSync(memoryFile(folder)).blocks * 512 < 2 ** 20, "its holes take nothing");
  const set = asked.find(({ execute }) => execute === "migrate-set-capabilities");
  assert.deepEqual(set?.arguments.capabilities, [
    { capability: "events", state: true },
    { capability: "x-ignore-shared", state: true },
  ]);
});
