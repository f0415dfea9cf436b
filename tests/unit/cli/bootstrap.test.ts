/** Installing a repository's tools: told, never fatal, and without mise in the guest nothing at all. */
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { bootstrap } from "../../../src/cli/bootstrap.ts";
import { inWorkspace } from "../../../src/cli/workspace-command.ts";
import type { Sandbox } from "../../../src/sdk/index.ts";
import { testContext } from "../../support/place.ts";

const plan = { files: ["mise.toml"], tools: [{ name: "node", version: "24" }] };

/** A VM whose `mise` is there or not, and whose installation ends with `code` after printing. */
function guest(options: { readonly mise: boolean; readonly code?: number; readonly runsOn?: boolean }) {
  const scripts: string[] = [];
  const vm = {
    info: { image: { name: "debian-slim" }, workspace: { guest_path: "/root/repo" } },
    files: { readText: async () => "line one\nno such version\n" },
    exec: ([, , script = ""]: string[]) => {
      scripts.push(script);
      const [stdout, stderr] = [new PassThrough(), new PassThrough()];
      stdout.end("installing\n");
      stderr.end();
      const status = { code: options.code ?? 0, signal: null, timedOut: false };
      const exited = options.runsOn ? new Promise(() => {}) : Promise.resolve(status);
      const asked = Promise.resolve({ exitCode: options.mise ? 0 : 1 });
      const execution = { stdout, stderr, exited, started: Promise.resolve(), close: () => {} };
      // biome-ignore lint/suspicious/noThenProperty: as an execution does it
      return Object.assign(execution, { then: asked.then.bind(asked) });
    },
  };
  return { scripts, vm: vm as unknown as Sandbox };
}

test("without mise in the image that is said and nothing is run", async () => {
  const { vm, scripts } = guest({ mise: false });
  const context = testContext();
  await bootstrap(vm, plan, context, { background: true, quiet: false });
  assert.match(context.printed.stderr, /debian-slim has no mise: node 24 not installed/);
  assert.equal(scripts.length, 1);
});

test("in the background it is only started; in the foreground it is shown, and a failure is told with the log's end", async () => {
  const background = guest({ mise: true });
  const context = testContext();
  await bootstrap(background.vm, plan, context, { background: true, quiet: false });
  assert.match(background.scripts[1] ?? "", /mise trust .*mise install/);
  assert.match(context.printed.stderr, /tools: node 24; log in the guest: \/var\/log\//);
  assert.doesNotMatch(context.printed.stderr, /installing/, "its output is the log's alone");
  const failing = guest({ mise: true, code: 1 });
  const other = testContext();
  await bootstrap(failing.vm, plan, other, { background: false, quiet: false });
  assert.match(
    other.printed.stderr,
    /installing\n[\s\S]*not installed \(code 1\):\nline one\nno such version/,
  );
});

test("commands run in the workspace, but for another user and in another folder as asked", () => {
  const request = {
    env: {},
    user: undefined,
    cwd: undefined,
    tty: false,
    noStdin: false,
    timeout: undefined,
  };
  const workspace = { guest_path: "/srv/app" } as Parameters<typeof inWorkspace>[2];
  assert.equal(inWorkspace(["make"], request, workspace).request.cwd, "/srv/app");
  assert.deepEqual(inWorkspace(["make", "-j"], request, workspace).command?.slice(-2), ["make", "-j"]);
  assert.equal(inWorkspace(["make"], { ...request, cwd: "/tmp" }, workspace).request.cwd, "/tmp");
  const other = inWorkspace(["make"], { ...request, user: "nobody" }, workspace);
  assert.deepEqual([other.command, other.request.cwd], [["make"], undefined]);
  assert.deepEqual(inWorkspace(undefined, request, null).command, undefined);
});

test("what became of it in the background is told when the shell is left: a failure with the log's end, nothing of a success", async () => {
  for (const [code, runsOn, isKept, said] of [
    [1, false, false, /the tools were not installed \(code 1\):\nline one\nno such version\n$/],
    [0, true, true, /the tools are still being installed\n$/],
    [0, true, false, /^$/],
    [0, false, true, /^$/],
  ] as const) {
    const { vm } = guest({ mise: true, code, runsOn });
    const context = testContext();
    const leave = await bootstrap(vm, plan, context, { background: true, quiet: false });
    const before = context.printed.stderr;
    await leave(isKept);
    assert.match(context.printed.stderr.slice(before.length), said);
  }
});
