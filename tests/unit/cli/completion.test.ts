/** What a word of the command line could become. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { complete } from "../../../src/cli/completion/candidates.ts";
import { askDaemon, type NameKind } from "../../../src/cli/completion/names.ts";
import { SCRIPTS } from "../../../src/cli/completion/scripts.ts";
import { run } from "../../../src/cli/program.ts";
import { COMMANDS } from "../../../src/cli/registry.ts";
import type { Banger } from "../../../src/sdk/index.ts";
import { testContext } from "../../support/place.ts";

const asked: NameKind[] = [];
const names = async (kind: NameKind) => {
  asked.push(kind);
  const all = kind === "images" ? ["debian-slim", "other"] : ["one", "two", "three"];
  return all.map((value) => ({ value, about: "" }));
};
const values = async (line: string) => {
  const words = line.split(" ");
  const { candidates } = await complete(words.slice(0, -1), words.at(-1) ?? "", names);
  return candidates.map(({ value }) => value);
};

test("groups, single commands and short names first; then the commands of a group; hidden ones never", async () => {
  const first = await values("");
  for (const word of ["vm", "image", "doctor", "ps", "help"]) assert.ok(first.includes(word), word);
  assert.ok(!first.includes("__complete"));
  assert.deepEqual(await values("vm sto"), ["stop"]);
  assert.ok(!(await values("vm ")).includes("proxy"));
  assert.deepEqual(await values("help vm sto"), ["stop"]);
  assert.deepEqual(await values("nonsense "), []);
});

test("names of VMs stand where a VM is wanted, those typed already are not offered again", async () => {
  assert.deepEqual(await values("vm delete "), ["one", "two", "three"]);
  assert.deepEqual(await values("vm delete two t"), ["three"]);
  assert.deepEqual(await values("vm show one "), [], "it takes one");
  assert.deepEqual(await values("ps "), []);
});

test("only VMs that a command can do something with are asked for", async () => {
  asked.length = 0;
  for (const line of ["vm start ", "vm stop ", "vm delete "]) await values(line);
  assert.deepEqual(asked, ["stopped VMs", "running VMs", "VMs"]);
});

test("options are offered once, unless they may be given several times; values where a value is wanted", async () => {
  assert.ok((await values("vm run --na")).includes("--name"));
  assert.ok(!(await values("vm run --name x --")).includes("--name"));
  assert.ok((await values("vm run -e A=1 --e")).includes("--env"));
  assert.deepEqual(await values("vm run --image d"), ["debian-slim"]);
  assert.deepEqual(await values("vm run --image=d"), ["--image=debian-slim"]);
  assert.deepEqual(await values("vm start --wait s"), ["system"]);
  assert.deepEqual(await values("vm start --wait=s"), ["--wait=system"]);
  assert.deepEqual(await values("vm start --wait system t"), ["two", "three"]);
  assert.deepEqual(await values("vm run --name "), []);
  assert.deepEqual(await values("vm kill --signal T"), ["TERM"]);
  assert.deepEqual(await values("vm set one --nat "), ["on", "off"]);
  assert.deepEqual(await values("completion "), ["bash", "zsh", "fish", "powershell"]);
  assert.deepEqual(await values("completion bash "), []);
});

test("files of the host are left to the shell: after --, where a file is wanted, at both ends of a copy", async () => {
  const paths = async (line: string) => {
    const words = line.split(" ");
    return (await complete(words.slice(0, -1), words.at(-1) ?? "", names)).paths;
  };
  assert.equal(await paths("vm exec one -- "), "files");
  assert.equal(await paths("vm run --env-file "), "files");
  assert.equal(await paths("vm run "), "folders");
  assert.equal(await paths("vm cp "), "files");
  assert.equal(await paths("vm list "), "none");
  assert.deepEqual(await values("vm cp o"), ["one:"]);
  assert.deepEqual(await values("vm exec one "), ["--"]);
});

test("every command's words can be completed without a daemon", async () => {
  const alone = askDaemon(() => Promise.reject(new Error("no daemon")));
  for (const { name } of COMMANDS) {
    for (const current of ["", "-"]) await complete(name.split(" "), current, alone);
  }
});

test("a daemon that does not answer is not waited for long", async () => {
  const silent = { list: () => new Promise(() => {}) } as unknown as Banger;
  const begun = performance.now();
  assert.deepEqual(await askDaemon(async () => silent)("VMs"), []);
  assert.ok(performance.now() - begun < 10_000);
});

test("the answer is lines of value, tab and words, then what the shell adds itself", async () => {
  const context = testContext();
  assert.equal(await run(["__complete", "--", "vm", "start", "--wait", "=a"], context), 0);
  assert.equal(context.printed.stdout, "agent\t\n:none\n");
  assert.equal(await run(["__complete", "--", "vm"], context), 2);
  assert.equal(await run(["completion", "tcsh"], testContext()), 2);
});

// PowerShell cannot be installed where the tests run: its script is held to the documented call instead.
test("PowerShell's script registers a native completer and passes a word that is never empty", () => {
  const script = SCRIPTS.powershell;
  assert.match(script, /^Register-ArgumentCompleter -Native -CommandName banger -ScriptBlock \{$/m);
  assert.match(script, /^ +param\(\$wordToComplete, \$commandAst, \$cursorPosition\)$/m);
  assert.match(script, /__complete -- @before "=\$wordToComplete"/);
  assert.match(
    script,
    /\[System\.Management\.Automation\.CompletionResult\]::new\(\$value, \$value, 'ParameterValue', \$about\)/,
  );
  assert.equal(unbalanced(script), "");
  const named = new Set([...script.matchAll(/\$(\w+)/g)].map((match) => match[1]));
  const known = ["wordToComplete", "commandAst", "cursorPosition", "null", "_"];
  const assigned = [...script.matchAll(/\$(\w+)(?:, \$(\w+))? = |foreach \(\$(\w+) in/g)].flatMap((match) =>
    match.slice(1).filter(Boolean),
  );
  assert.deepEqual(
    [...named].filter((name) => ![...known, ...assigned].includes(name ?? "")),
    [],
  );
});

/** What is left open, or closed by the wrong bracket, outside of PowerShell's strings and comments; empty when all is well. */
function unbalanced(script: string): string {
  const code = script.replace(/'(?:[^']|'')*'|"(?:[^"`]|`.)*"|#.*$/gms, (text) =>
    text.startsWith("#") ? "" : "S",
  );
  const pairs: Readonly<Record<string, string>> = { ")": "(", "}": "{", "]": "[" };
  const open: string[] = [];
  for (const character of code) {
    if ("({[".includes(character)) open.push(character);
    else if (character in pairs && open.pop() !== pairs[character]) return `${open.join("")}${character}`;
  }
  return open.join("") + (/['"]/.exec(code)?.[0] ?? "");
}
