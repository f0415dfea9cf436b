/** The interactive shell on a real terminal. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { configureHome, LAUNCHER } from "../support/command.ts";
import { makeHome } from "../support/home.ts";
import { settled } from "../support/soundness.ts";
import { Terminal } from "../support/terminal.ts";

const SMALL = "--vcpu 1 --memory 256M --disk-size 256M";
const PROMPT = /root@term:\S*# ?/;

describe("a shell in a VM", async () => {
  const home = await makeHome();
  before(async () => {
    const result = await home.run(["vm", "create", "-q", "--name", "term"]);
    assert.equal(result.code, 0, result.stderr);
  });

  /** A terminal in which the shell (or another command) runs, between two records of how the terminal is set. */
  const open = async (after = "", command = "vm exec term", ready = PROMPT) => {
    const settings = (name: string) => `stty -g >${join(home.path, name)}`;
    // Its process id first: `exec` keeps it.
    const shell = `sh -c 'echo $$ >${join(home.path, "pid")}; exec ${LAUNCHER} ${command}'${after}`;
    const line = `${settings("before")}; ${shell}; echo "code=$?"; ${settings("after")}; echo over; cat`;
    const terminal = new Terminal(line, home.env, { columns: 100, rows: 30 });
    await terminal.until(ready).catch(async (error) => {
      await terminal[Symbol.asyncDispose]();
      throw error;
    });
    return terminal;
  };
  const restored = async (terminal: Terminal) => {
    await terminal.until(/over\r?\n/);
    const [begin, end] = await Promise.all(
      ["before", "after"].map((name) => readFile(join(home.path, name), "utf8")),
    );
    assert.equal(end, begin);
  };

  test("knows the terminal's size and follows it", async () => {
    await using terminal = await open();
    terminal.type("stty size\r");
    await terminal.until(/\b(30|29) 100\r\n/);
    terminal.resize(120, 40);
    terminal.type("stty size\r");
    await terminal.until(/\b(40|39) 120\r\n/);
    terminal.type("exit\r");
    await restored(terminal);
  });

  test("gets Ctrl-C, Ctrl-Z and Ctrl-D itself; its exit code comes out and the terminal is as before", async () => {
    await using terminal = await open();
    terminal.type("sh -c 'echo first; exec sleep 1000'\r");
    await terminal.until(/^first\r\n/m);
    terminal.type("\x03");
    await terminal.until(PROMPT);
    terminal.type("sh -c 'echo second; exec sleep 1001'\r");
    await terminal.until(/^second\r\n/m);
    terminal.type("\x1a");
    await terminal.until(/Stopped\s/);
    await terminal.until(PROMPT); // of that; the next one is the one that takes Ctrl-D as a key
    terminal.type("kill %1; (exit 3)\r");
    await terminal.until(PROMPT);
    terminal.type("\x04");
    const [, code] = await terminal.until(/code=(\d+)/);
    assert.ok(code === "3" || code === "0", `code ${code}`); // the shell's own rule for Ctrl-D
    await restored(terminal);
  });

  test("ends with the code given to exit", async () => {
    await using terminal = await open();
    terminal.type("exit 42\r");
    await terminal.until(/code=42\r?\n/);
    await restored(terminal);
  });

  test("is ended by a signal to the client, as with ssh, and the terminal is as before", async () => {
    await using terminal = await open();
    process.kill(Number(await readFile(join(home.path, "pid"), "utf8")), "SIGTERM");
    await terminal.until(/code=143\r?\n/);
    await restored(terminal);
  });

  test("whose output is copied to a file is on a terminal all the same", async () => {
    await using terminal = await open(` | tee ${join(home.path, "copy")}`);
    terminal.type("stty size\r");
    await terminal.until(/\b(30|29) 100\r\n/);
    terminal.type("exit\r");
    await restored(terminal);
    assert.match(await readFile(join(home.path, "copy"), "utf8"), /\b(30|29) 100\r\n/);
  });

  test("takes a paste of 100 kB and UTF-8 whole", async () => {
    await using terminal = await open();
    terminal.type("stty -echo; wc -c; stty echo\r");
    await terminal.until(/stty echo\r\n/);
    const line = `${"ü→x".repeat(16)}\n`;
    const lines = Math.ceil(100_000 / Buffer.byteLength(line));
    terminal.type(line.repeat(lines));
    terminal.type("\x04");
    await terminal.until(new RegExp(`\\b${lines * Buffer.byteLength(line)}\\r\\n`));
    terminal.type("exit\r");
    await restored(terminal);
  });

  for (const command of ["vm exec term", "vm ssh term"]) {
    test(`runs full-screen programs over ${command}, which follow the size and leave by their own keys`, async () => {
      await using terminal = await open("", command);
      terminal.type("seq 1000 >/tmp/numbers; less /tmp/numbers\r");
      await terminal.until(/\b(28|29)\r?\n/); // a screen of them, not all
      terminal.type("G");
      await terminal.until(/1000\r?\n/);
      terminal.type("q");
      await terminal.until(PROMPT);
      terminal.type("top -d 1\r");
      await terminal.until(/load average/);
      terminal.resize(70, 20);
      await terminal.until(/load average/);
      terminal.type("\x03");
      await terminal.until(PROMPT);
      terminal.type("stty size; exit 5\r");
      await terminal.until(/\b(20|19) 70\r\n/);
      await terminal.until(/code=5\r?\n/);
      await restored(terminal);
    });
  }

  test("can be left by keys and come back to, and was not disturbed", async () => {
    {
      await using terminal = await open("", "vm exec term --detach-keys ctrl-p,ctrl-q");
      terminal.type("echo kept=$((6*7)); sleep 3000\r");
      await terminal.until(/kept=42/);
      terminal.type("\x10\x11");
      await terminal.until(/banger vm attach term \d+/);
      await terminal.until(/code=0\r?\n/);
      await restored(terminal);
    }
    // What it printed is shown again when one comes back; the prompt among it is what `open` waits for.
    await using terminal = await open("", "vm attach term");
    terminal.type("\x03");
    await terminal.until(PROMPT);
    terminal.type("exit 6\r");
    await terminal.until(/code=6\r?\n/);
    await restored(terminal);
    const none = await home.run(["vm", "attach", "term"]);
    assert.equal(none.code, 2);
    assert.match(none.stderr, /no command runs that was left/);
  });

  test("of vm run is left by keys, and the VM and the shell stay", async () => {
    {
      const keys = "--detach-keys ctrl-p,ctrl-q";
      await using terminal = await open("", `vm run --name left ${SMALL} ${keys}`, /root@left:\S*# ?/);
      terminal.type("kept=$((6*7))\r");
      await terminal.until(/root@left:\S*# ?/);
      terminal.type("\x10\x11");
      await terminal.until(/banger vm attach left \d+/);
      await terminal.until(/left runs on/);
      await terminal.until(/code=0\r?\n/);
      await restored(terminal);
    }
    await using terminal = await open("", "vm attach left", /root@left:\S*# ?/);
    terminal.type("echo is=$kept; exit 7\r");
    await terminal.until(/is=42/);
    await terminal.until(/code=7\r?\n/);
    await restored(terminal);
    await home.run(["vm", "stop", "--force", "left"]);
    assert.equal((await home.run(["vm", "run", "--rm", "--detach-keys", "x"])).code, 2);
  });

  test("vm stats --watch draws in the same place until Ctrl-C", async () => {
    await configureHome(home.path, 'stats_interval = "300ms"\n');
    await using terminal = await open("", "vm stats --watch", /NAME +CPU/);
    for (let times = 0; times < 2; times++) await terminal.until(/^term +\d[\s\S]*NAME +CPU/m);
    terminal.type("\x03");
    await terminal.until(/code=(0|130)\r?\n/);
    await restored(terminal);
  });

  test("vm prune shows what would go and deletes it after a yes, and only then", async () => {
    const names = async () =>
      (JSON.parse((await home.run(["vm", "list", "-a", "--json"])).stdout) as { name: string }[]).map(
        ({ name }) => name,
      );
    for (const [answer, code] of [
      ["\x03", 130],
      ["n", 0],
      ["\r", 0], // no is what is offered
    ] as const) {
      await using terminal = await open("", "vm prune", /^left +stopped [\s\S]*Delete this VM/m);
      terminal.type(answer);
      await terminal.until(new RegExp(`code=${code}\\r?\\n`));
      await restored(terminal);
      assert.deepEqual((await names()).sort(), ["left", "term"]);
    }
    await using terminal = await open("", "vm prune", /Delete this VM/);
    terminal.type("y");
    await terminal.until(/left deleted/);
    await terminal.until(/code=0\r?\n/);
    await restored(terminal);
    assert.deepEqual(await names(), ["term"]);
  });

  for (const [command, says, code] of [
    ["vm exec term", /connection to the daemon was lost/, 125],
    ["vm ssh term", /connection/i, 255],
    [`vm run --rm --name lost ${SMALL}`, /connection to the daemon was lost/, 125],
  ] as const) {
    test(`${command}: a shell that loses its daemon gives the terminal back and says why`, async () => {
      await using terminal = await open("", command, /root@(term|lost):\S*# ?/);
      await home.killDaemon();
      await terminal.until(says);
      await terminal.until(new RegExp(`code=${code}\\r?\\n`));
      await restored(terminal);
      const banger = await home.connect();
      await settled(banger);
      assert.deepEqual(
        (await banger.list()).map(({ name }) => name),
        ["term"],
      );
    });
  }
});
