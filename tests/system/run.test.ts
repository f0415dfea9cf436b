/** `banger vm run` as a user types it: output, codes, what is refused, and that nothing is left behind. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { LAUNCHER } from "../support/command.ts";
import { makeHome } from "../support/home.ts";

describe("banger vm run", async () => {
  const home = await makeHome();
  const run = (...args: string[]) => home.run(["vm", "run", ...args]);
  const vms = async () => JSON.parse((await home.run(["vm", "list", "-a", "--json"])).stdout) as unknown[];

  test("--rm -- uname -a prints the guest's own kernel, nothing else on stdout, and leaves nothing", async () => {
    const result = await run("--rm", "--", "uname", "-a");
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, /^Linux \S+ 6\.\S+-cloud-amd64 .*\n$/);
    assert.ok(!result.stdout.includes(release()));
    assert.match(
      result.stderr,
      /^spec: \d+ vcpu \| \d+ MiB \| 8G disk \| qemu\/(tcg|kvm) \| debian-slim \| start: cold$/m,
    );
    assert.match(result.stderr, /^ready in \d/m);
    assert.deepEqual(await vms(), []);
    assert.deepEqual(await readdir(join(home.state, "vms")), []);
  });

  test("ends with the command's own code", async () => {
    assert.equal((await run("--rm", "-q", "--", "sh", "-c", "exit 7")).code, 7);
    assert.equal((await run("--rm", "-q", "--", "sh", "-c", "kill -9 $$")).code, 137);
    assert.equal((await run("--rm", "-q", "--", "no-such-command")).code, 127);
    assert.equal((await run("--rm", "-q", "--", "/etc/passwd")).code, 126);
    assert.equal((await run("--rm", "-q", "--timeout", "1s", "--", "sleep", "60")).code, 124);
    assert.deepEqual(await vms(), []);
  });

  test("gives its standard input to the command, byte for byte", async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    const result = await home.run(["vm", "run", "--rm", "-q", "--", "od", "-An", "-tx1", "-v"], bytes);
    assert.equal(result.stdout.replace(/\s/g, ""), bytes.toString("hex"));
  });

  test("works with closed standard input", async () => {
    const child = spawn("sh", ["-c", 'exec "$0" vm run --rm -q -- sh -c "cat; echo done" <&-', LAUNCHER], {
      env: home.env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    const [code] = await once(child, "close");
    assert.deepEqual([code, output], [0, "done\n"]);
  });

  for (const [args, reason] of [
    [["-d", "--rm"], /--detach and --rm/],
    [["-d", "--", "true"], /--detach takes no command/],
    [["--"], /no command stands after --/],
    [["--json", "--", "true"], /--json needs --detach/],
    [["--name", "Not_A_Label", "--", "true"], /name/],
    [["--vcpu", "0", "--", "true"], /--vcpu/],
    [["--vcpu", "-1", "--", "true"], /--vcpu/],
    [["--memory", "1", "--", "true"], /--memory/],
    [["--memory", "99999999G", "--", "true"], /--memory/],
    [["--disk-size", "1M", "--", "true"], /--disk-size/],
    [["--disk-size", "lots", "--", "true"], /--disk-size/],
    [["--driver", "vmware", "--", "true"], /--driver/],
    [["--env", "=x", "--", "true"], /--env/],
    [["--env-file", "/no/such/file", "--", "true"], /--env-file/],
    [["--timeout", "soon", "--", "true"], /--timeout/],
    [["--no-such-flag"], /unknown option/],
  ] as const) {
    test(`refuses ${args.join(" ")} with code 2 before anything is made`, async () => {
      const result = await run(...args);
      assert.equal(result.code, 2, result.stderr);
      assert.match(result.stderr, reason);
      assert.match(result.stderr.split("\n")[1] ?? "", /^ {2}\S/, "a hint follows");
      assert.deepEqual(await vms(), []);
    });
  }

  test("refuses more processors and memory than the host has", async () => {
    for (const [flag, value] of [
      ["--vcpu", "64"],
      ["--memory", "1000G"],
    ] as const) {
      const result = await run(flag, value, "--", "true");
      assert.notEqual(result.code, 0);
      assert.match(result.stderr, /host has|available|only/);
    }
    assert.deepEqual(await vms(), []);
  });

  test("of an unknown image names it and what to do, with code 125", async () => {
    const result = await run("--image", "no-such-image", "--", "true");
    assert.equal(result.code, 125);
    // Docker Hub is asked, where it can be.
    assert.match(
      result.stderr,
      /no image named 'no-such-image' is here.*\n {2}banger image list|docker\.io.*no-such-image/,
    );
    assert.deepEqual(await vms(), []);
  });

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const) {
    test(`--rm deletes the VM when ${signal} comes while the command runs`, async () => {
      const child = spawn(
        LAUNCHER,
        ["vm", "run", "--rm", "-q", "--", "sh", "-c", "echo up; exec sleep 1000"],
        {
          env: home.env,
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      await once(createInterface(child.stdout), "line");
      child.kill(signal);
      const [code, by] = await once(child, "close");
      if (signal === "SIGKILL") assert.equal(by, signal);
      else assert.ok(code > 128, `code ${code}`);
      await settled(home);
      assert.deepEqual(await vms(), []);
    });
  }

  test("leaves nothing when Ctrl-C comes while the VM is being made", async () => {
    const child = spawn(LAUNCHER, ["vm", "run", "--", "true"], {
      env: home.env,
      stdio: ["ignore", "inherit", "pipe"],
    });
    for await (const line of createInterface(child.stderr)) {
      if (!line.includes("creating")) continue; // printed when that stage is over: the guest boots now
      child.kill("SIGINT");
    }
    if (child.exitCode === null) await once(child, "close");
    assert.equal(child.exitCode, 130);
    assert.deepEqual(await vms(), []);
  });

  test("says so when the daemon is killed in the middle, and the next command finds no VM left", async () => {
    const child = spawn(LAUNCHER, ["vm", "run", "--rm", "-q", "--", "sh", "-c", "echo up; exec sleep 1000"], {
      env: home.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let problem = "";
    child.stderr.on("data", (chunk) => {
      problem += chunk;
    });
    await once(createInterface(child.stdout), "line");
    await home.killDaemon();
    const [code] = await once(child, "close");
    assert.equal(code, 125);
    assert.match(problem, /connection to the daemon was lost/);
    assert.deepEqual(await vms(), []);
  });

  test("twice at once with no daemon starts one daemon, and both work", async () => {
    await home.run(["daemon", "stop"]);
    const results = await Promise.all([1, 2].map((n) => run("--rm", "-q", "--", "echo", String(n))));
    assert.deepEqual(
      results.map(({ code, stdout }) => [code, stdout]),
      [
        [0, "1\n"],
        [0, "2\n"],
      ],
    );
  });

  test("without --rm keeps the VM and says how to stop it", async () => {
    const result = await run("--name", "kept", "--", "true");
    assert.equal(result.code, 0);
    assert.match(result.stderr, /banger vm stop kept/);
    assert.equal((await home.run(["vm", "delete", "kept"])).code, 0);
  });

  test("does not wait for a reader that went away", async () => {
    const child = spawn("sh", ["-c", '"$0" vm run --rm -q -- yes | head -1', LAUNCHER], {
      env: home.env,
      stdio: ["ignore", "pipe", "ignore"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    await once(child, "close");
    assert.equal(output, "y\n");
    await settled(home);
    assert.deepEqual(await vms(), []);
  });
});

/** Waits until the daemon has ended what it began for clients that are gone. */
async function settled(home: {
  connect(): ReturnType<Awaited<ReturnType<typeof makeHome>>["connect"]>;
}): Promise<void> {
  using client = await home.connect();
  for (const operation of await client.operations.list()) {
    await client.operations.follow(operation.id).catch(() => {}); // how it ended is not the question here
  }
}
