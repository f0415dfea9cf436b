/** What gives Firecracker's guests a network (guest/tap.h): frames pass as they are, and nothing else does; it ends with what it started. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { silent } from "../../src/core/stage.ts";
import { ensureAgentBinary } from "../../src/disk/agent-binary.ts";
import { innermostPid, isAlive, killProcess, startTime } from "../../src/host/processes.ts";
import { TAP, TUN, tapProblem } from "../../src/vmm/firecracker/tap.ts";
import { bubblewrapArguments } from "../../src/vmm/jail/bubblewrap.ts";
import { ECHO, framed, HEADER, LARGEST, sent } from "../support/tap-guest.ts";
import { temporaryFolder } from "../support/temporary.ts";

interface Running {
  readonly child: ReturnType<typeof spawn>;
  readonly socket: string;
  readonly said: string;
  readonly identity: { readonly pid: number; readonly pidStart: string };
}

/** @param cache where the agent is compiled, or was */
async function start(t: TestContext, cache: string): Promise<Running> {
  const folder = temporaryFolder(t);
  const work = { report: silent, signal: new AbortController().signal };
  const agent = await ensureAgentBinary({ cache }, work);
  const jail = { writable: folder, readOnly: [agent], devices: [TUN] };
  const command = [agent, "--tap", TAP, "net.sock", "perl", "-e", ECHO];
  const child = spawn("bwrap", bubblewrapArguments(jail, command), { stdio: ["ignore", "pipe", "inherit"] });
  const identity = { pid: child.pid ?? 0, pidStart: startTime(child.pid ?? 0) ?? "" };
  t.after(() => killProcess(identity));
  const [said] = await once(child.stdout, "data");
  return { child, socket: join(folder, "net.sock"), said: String(said), identity };
}

test("a tap's frames", async (t) => {
  const problem = await tapProblem();
  if (problem !== null) return t.skip(problem);
  const cache = temporaryFolder(t);
  const { child, socket, said, identity } = await start(t, cache);

  await t.test(
    "are carried each way as they are, small and as large as they can be; what it runs has no capability",
    async () => {
      assert.match(said, /^CapBnd:\t0+\n$/);
      for (const size of [14, 60, 1514, LARGEST]) {
        const frame = framed(Buffer.concat([HEADER, Buffer.alloc(size - HEADER.length, "frame")]));
        assert.deepEqual(await sent(socket, frame), frame, `${size} bytes`);
      }
    },
  );

  await t.test("that are none end the connection, and only that", async () => {
    for (const length of [LARGEST + 16, 0x7fffffff, 0xffffffff]) {
      const bytes = Buffer.alloc(200_000);
      bytes.writeUInt32BE(length);
      assert.equal((await sent(socket, bytes).catch(() => Buffer.alloc(0))).length, 0);
    }
    const whole = framed(Buffer.concat([HEADER, Buffer.from("after it")]));
    const short = framed(Buffer.alloc(3)); // no frame that a tap takes
    assert.deepEqual(await sent(socket, Buffer.concat([short, whole]), whole.length), whole);
    assert.deepEqual(await sent(socket, whole), whole);
  });

  await t.test("end with what was started, and that ends with them", async (inner) => {
    const ended = once(child, "exit");
    process.kill(innermostPid(identity) ?? 0, "SIGTERM");
    assert.deepEqual(await ended, [128 + 15, null]);

    const other = await start(inner, cache);
    const guest = innermostPid(other.identity) ?? 0;
    const guestStart = startTime(guest) ?? "";
    const gone = once(other.child, "exit");
    const helper = other.identity.pid;
    const { stdout } = spawn("pgrep", ["-P", String(helper)]);
    process.kill(Number((await once(stdout, "data"))[0]), "SIGKILL");
    await gone;
    assert.equal(isAlive({ pid: guest, pidStart: guestStart }), false);
  });
});
