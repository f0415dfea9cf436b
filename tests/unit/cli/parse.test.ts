/** How the words after a command's name become what its handler gets. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Command,
  choice,
  define,
  flag,
  list,
  type OptionSpecs,
  parsed,
  text,
} from "../../../src/cli/command.ts";
import { parse } from "../../../src/cli/parse.ts";
import { BangerError } from "../../../src/core/errors.ts";

const command = define({
  name: "vm try",
  summary: "for the test",
  arguments: "<vm> [more...]",
  takesCommand: true,
  options: {
    tty: flag("-t, --tty", "a switch"),
    stdin: flag("-i, --stdin", "one of a pair"),
    noStdin: flag("--no-stdin", "the other"),
    noStart: flag("--no-start", "without a pair"),
    user: text("-u, --user <user>", "a text"),
    env: list("-e, --env <K=V>", "several"),
    size: parsed("--size <n>", "parsed", Number),
    wait: choice("--wait <for>", "chosen", ["agent", "none"]),
  },
  examples: [["banger vm try box", "tries it"]],
  handler: async () => {},
}) as unknown as Command<OptionSpecs, never>; // as the list of commands holds it

const read = async (...words: string[]) => {
  const input = await parse(command, words);
  assert.ok(!("help" in input));
  return input;
};
const refusal = async (...words: string[]) => {
  const error = await parse(command, words).then(
    () => assert.fail("was accepted"),
    (e: unknown) => e,
  );
  assert.ok(error instanceof BangerError);
  assert.equal(error.exit, 2);
  return `${error.message}\n${error.hint}`;
};

describe("parse", () => {
  test("gives every option a value, also when none was typed", async () => {
    assert.deepEqual(await read("box"), {
      options: {
        tty: false,
        stdin: false,
        noStdin: false,
        noStart: false,
        user: undefined,
        env: [],
        size: undefined,
        wait: undefined,
      },
      args: ["box"],
      command: undefined,
    });
  });

  test("takes options before and after the arguments, joined and apart, and repeated ones", async () => {
    const { options, args } = await read(
      "-itu",
      "me",
      "box",
      "-e",
      "A=1",
      "two",
      "--env=B=2=3",
      "--size",
      "5",
    );
    assert.deepEqual(args, ["box", "two"]);
    assert.deepEqual(
      [options.tty, options.stdin, options.user, options.env, options.size],
      [true, true, "me", ["A=1", "B=2=3"], 5],
    );
  });

  test("of --stdin and --no-stdin the last counts", async () => {
    assert.equal((await read("box", "--no-stdin")).options.noStdin, true);
    assert.equal((await read("box", "--no-stdin", "-i")).options.noStdin, false);
    assert.equal((await read("box", "-i", "--no-stdin")).options.noStdin, true);
    assert.equal((await read("box", "--no-start")).options.noStart, true);
  });

  test("leaves what stands after the first -- to the guest as it is", async () => {
    const { args, options, command: guest } = await read("box", "--", "sh", "-t", "--help", "--", "", "ü x");
    assert.deepEqual(args, ["box"]);
    assert.equal(options.tty, false);
    assert.deepEqual(guest, ["sh", "-t", "--help", "--", "", "ü x"]);
  });

  test("gives help for --help and -h anywhere before --, with examples", async () => {
    for (const words of [["--help"], ["box", "-h"], ["--no-such", "--help"]]) {
      const input = await parse(command, words);
      assert.ok("help" in input);
      assert.match(input.help, /Usage: banger vm try \[options\] <vm> \[more\.\.\.\] \[-- cmd\.\.\.\]/);
      assert.match(input.help, /Examples:\n {2}banger vm try box\n {6}tries it/);
    }
  });

  test("refuses, with what is accepted", async () => {
    assert.match(await refusal(), /missing required argument 'vm'/);
    assert.match(await refusal("box", "--"), /no command stands after --\n/);
    assert.match(await refusal("box", "--tyt"), /unknown option '--tyt'\ndid you mean --tty\?/);
    assert.match(await refusal("box", "--wait", "long"), /agent, none/);
    assert.match(await refusal("box", "--user"), /argument missing/);
  });

  test("refuses -- where no command is taken, and says that a command needs it where one is", async () => {
    const without = { ...command, takesCommand: false };
    await assert.rejects(parse(without, ["box", "--", "true"]), /nothing can stand after --/);
    const one = { ...command, arguments: "<vm>" };
    await assert.rejects(parse(one, ["box", "true"]), (error: BangerError) => {
      assert.match(error.hint, /put -- before the command/);
      return true;
    });
  });
});
