/** A guest that ends a stream as it must not: whoever waits is told, nobody waits for ever. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeFields } from "../../../src/guest/fields.ts";
import { FRAME } from "../../../src/guest/frames.ts";
import { listFiles, startProcess, writeFile } from "../../../src/guest/index.ts";
import { OPERATIONS } from "../../../src/guest/operations.ts";
import { scripted } from "./scripted-agent.ts";

const broken = { code: "guest_protocol" };

test("a listing that ends without its end", async () => {
  const { session, agent } = await scripted();
  const listing = listFiles(session, "/").next();
  const { stream } = await agent.next(FRAME.request);
  agent.respond(stream);
  agent.end(stream);
  await assert.rejects(listing, broken);
  assert.equal((await session.closed).code, broken.code);
});

test("a process that ends without telling how", async () => {
  const { session, agent } = await scripted();
  const starting = startProcess(session, { argv: ["true"] });
  const { stream } = await agent.next(FRAME.request);
  agent.respond(stream, encodeFields(OPERATIONS.proc_start.response, { pid: 1, proc: 1 }));
  const process = await starting;
  agent.end(stream);
  await assert.rejects(process.exited, broken);
  await assert.rejects(process.stdout.toArray(), broken);
});

test("a file that is said to be written before it was sent", async () => {
  const { session, agent } = await scripted();
  const writing = writeFile(session, "/f", Buffer.from("content"));
  const { stream } = await agent.next(FRAME.request);
  agent.respond(stream);
  agent.end(stream);
  await assert.rejects(writing, broken);
});
