/** `vm forward` and `--publish` as a user types them. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { LAUNCHER } from "../support/command.ts";
import { startEchoServer } from "../support/echo-server.ts";
import { makeHome } from "../support/home.ts";

describe("ports on the command line", async () => {
  const home = await makeHome();

  for (const [args, problem] of [
    [["-p", "70000:80"], /host port outside/],
    [["-p", "8080:80", "-p", "8080:81"], /given twice/],
    [["-p", "example.com:80:80"], /not an IP address/],
    [["-p", "web"], /not of that form/],
  ] as const) {
    test(`${args.join(" ")} is refused as a usage error`, async () => {
      const result = await home.run(["vm", "run", "--rm", ...args, "--", "true"]);
      assert.deepEqual([result.code, result.stdout], [2, ""]);
      assert.match(result.stderr, problem);
    });
  }

  test("forward prints where it listens, tells what fails, and Ctrl-C ends it with the port given back", async () => {
    const created = await home.run(["vm", "run", "-d", "--name", "box", "--memory", "512M", "-p", ":7000"]);
    assert.equal(created.code, 0, created.stderr);
    const published = Number(/published: localhost:(\d+) -> box:7000/.exec(created.stderr)?.[1]);
    await startEchoServer(await (await home.connect()).get("box"), 7000);
    assert.equal(await exchange(published, "published"), "published");

    const forward = spawn(LAUNCHER, ["vm", "forward", "box", "7000", ":7001"], { env: home.env });
    const told = text(forward.stderr);
    let said = "";
    while (said.split("\n").length < 3) said += (await once(forward.stdout, "data"))[0];
    const [open = 0, idle = 0] = [...said.matchAll(/^localhost:(\d+) -> box:700\d$/gm)].map((m) =>
      Number(m[1]),
    );
    assert.equal(await exchange(open, "forwarded"), "forwarded");
    await once(connect(idle, "127.0.0.1"), "error");
    forward.kill("SIGINT");
    assert.deepEqual(await once(forward, "exit"), [130, null]);
    assert.match(await told, /port 7001/);
    const [error] = await once(connect(open, "127.0.0.1"), "error");
    assert.equal(error.code, "ECONNREFUSED");

    await home.run(["vm", "stop", "box"]);
    const stopped = await home.run(["vm", "forward", "box", "7000"]);
    assert.equal(stopped.code, 1);
    assert.match(stopped.stderr, /is stopped[\s\S]*banger vm start box/);
  });
});

async function exchange(port: number, sent: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end(sent);
  return (await buffer(socket)).toString();
}
