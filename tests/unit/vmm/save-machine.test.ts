import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { Qmp } from "../../../src/vmm/qemu/qmp.ts";
import { memoryFile, saveMachine, stateFile } from "../../../src/vmm/qemu/state-file.ts";
import { socketPair } from "../../support/socket-pair.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const { signal } = new AbortController();

/** A monitor that sends a machine's state when it is told to. */
async function monitor(t: TestContext) {
  const directory = temporaryFolder(t);
  const folder = join(directory, "saved");
  mkdirSync(folder);
  const { near, far } = await socketPair(t);
  const asked: { execute: string; arguments: Record<string, unknown> }[] = [];
  const lines = createInterface({ input: far });
  lines.on("error", () => {});
  lines.on("line", (line) => {
    const command = JSON.parse(line);
    asked.push(command);
    far.write('{"return": {}}\n');
    if (command.execute !== "migrate") return;
    const channel = connect(join(directory, command.arguments.uri.replace("unix:", "")));
    channel.on("error", () => {});
    t.after(() => channel.destroy());
    channel.end("state", () => far.write('{"event": "MIGRATION", "data": {"status": "completed"}}\n'));
  });
  far.write('{"QMP": {}}\n');
  const qmp = await Qmp.open(near);
  const save = (memory?: string) => saveMachine(qmp, { directory, memory }, folder, signal);
  return { asked, directory, folder, save };
}

test("a machine's state is kept as the monitor sends it", async (t) => {
  const { asked, folder, save } = await monitor(t);
  await save();
  assert.deepEqual(readdirSync(folder), ["qemu.state"]);
  assert.equal(readFileSync(stateFile(folder), "latin1"), "state");
  assert.ok(asked.some(({ execute }) => execute === "migrate"));
});

test("memory that lies apart is copied without its holes, and the monitor is told to leave it out", async (t) => {
  const { asked, directory, folder, save } = await monitor(t);
  const memory = join(directory, "memory");
  writeFileSync(memory, Buffer.concat([Buffer.alloc(8 * 2 ** 20), Buffer.from("used")]));
  await save(memory);
  assert.deepEqual(readdirSync(folder).sort(), ["qemu.memory", "qemu.state"]);
  assert.ok(readFileSync(memoryFile(folder)).equals(readFileSync(memory)));
  assert.ok(statSync(memoryFile(folder)).blocks * 512 < 2 ** 20, "its holes take nothing");
  const set = asked.find(({ execute }) => execute === "migrate-set-capabilities");
  assert.deepEqual(set?.arguments.capabilities, [
    { capability: "events", state: true },
    { capability: "x-ignore-shared", state: true },
  ]);
});
