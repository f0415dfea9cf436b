/** Completion in real shells, by their own machinery, with names of VMs that are there. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { before, describe, test } from "node:test";
import { LAUNCHER } from "../support/command.ts";
import { makeHome } from "../support/home.ts";
import { runProgram } from "../support/programs.ts";
import { Terminal } from "../support/terminal.ts";

describe("completion", async () => {
  const home = await makeHome();
  const env = { ...home.env, PATH: `${dirname(LAUNCHER)}:${home.env.PATH}` };

  before(async () => {
    for (const name of ["alpha-box", "alpha-cat"]) {
      const made = await home.run(["vm", "create", "-q", "--no-start", "--name", name]);
      assert.equal(made.code, 0, made.stderr);
    }
    await writeFile(join(home.path, "some file"), "");
    for (const shell of ["bash", "zsh", "fish"]) {
      const { stdout } = await home.run(["completion", shell]);
      await writeFile(join(home.path, shell), stdout);
    }
  });

  const SHELLS = {
    bash: `cd "$HOME" && PS1='ready> ' exec bash --noprofile --norc -i`,
    zsh: `cd "$HOME" && PS1='ready> ' exec zsh -f -i`,
  };
  const SETUP = {
    bash: "source ~/bash; bind 'set bell-style none'\r",
    zsh: "autoload -Uz compinit; compinit -D -u; source ~/zsh; unsetopt beep; setopt no_always_last_prompt\r",
  };

  for (const shell of ["bash", "zsh"] as const) {
    test(`${shell}: commands, options, values, live names, files`, async () => {
      await using terminal = new Terminal(SHELLS[shell], env, { columns: 120, rows: 30 });
      await terminal.until(/ready> /);
      terminal.type(SETUP[shell]);
      await terminal.until(/ready> /);
      /** What the line is after Tab; it is taken back with Ctrl-U. */
      const after = async (typed: string, completed: RegExp) => {
        terminal.type(`${typed}\t`);
        await terminal.until(completed);
        terminal.type("\x15");
      };
      await after("banger doc", /banger doctor /);
      await after("banger vm dele", /banger vm delete /);
      await after("banger vm start alpha-b", /alpha-box /);
      await after("banger vm delete alpha-cat alpha-", /alpha-cat alpha-box /);
      await after("banger vm run --image debian-s", /--image debian-slim /);
      await after("banger vm start --wait=sys", /--wait=system /);
      await after("banger vm exec --env-fi", /--env-file /);
      await after("banger vm exec --env-file some", /some\\ file/);
    });
  }

  test("fish: commands, options, values, live names, files", async () => {
    const complete = async (line: string) => {
      const script = `source ~/fish; complete -C '${line}'`;
      const { stdout, stderr } = await runProgram(["fish", "--no-config", "-c", script], {
        env,
        cwd: home.path,
      });
      assert.equal(stderr, "");
      return stdout
        .toString()
        .split("\n")
        .filter(Boolean)
        .map((one) => one.split("\t")[0]);
    };
    assert.deepEqual(await complete("banger doc"), ["doctor"]);
    assert.deepEqual(await complete("banger vm delete "), ["alpha-box", "alpha-cat"]);
    assert.deepEqual(await complete("banger vm delete alpha-cat "), ["alpha-box"]);
    assert.deepEqual(await complete("banger vm start --wait=sys"), ["--wait=system"]);
    assert.deepEqual(await complete("banger vm exec --env-file some"), ["some file"]);
  });

  test("without a daemon there are no names, and none is started", async () => {
    await home.run(["daemon", "stop"]);
    const { stdout, code } = await home.run(["__complete", "--", "vm", "delete", "="]);
    assert.deepEqual([code, stdout], [0, ":none\n"]);
    assert.equal((await home.run(["daemon", "status"])).code, 1);
  });
});
