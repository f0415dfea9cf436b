/** Runs the transcripts of documents: each command as it stands, its output compared with what the document says. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

interface Step {
  readonly command: string;
  readonly output: string[];
}

/**
 * Runs every command of a document's `console` blocks in turn, as one shell would: folders that are changed to stay.
 * `…` in an output stands for anything within a line. @returns the folder that the last command left
 */
export function runTranscript(document: string, env: NodeJS.ProcessEnv, folder: string): string {
  let cwd = folder;
  const steps = transcript(readFileSync(new URL(`../../${document}`, import.meta.url), "utf8"));
  assert.ok(steps.length > 10, `${document} has a transcript`);
  for (const { command, output } of steps) {
    const result = spawnSync("sh", ["-c", `${command}\nstatus=$?; pwd >&3; exit $status`], {
      cwd,
      env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    assert.equal(result.status, 0, `${command}: ${result.stderr}`);
    assert.match(result.stdout, pattern(output), command);
    cwd = result.output[3]?.trim() ?? cwd;
  }
  return cwd;
}

function transcript(text: string): Step[] {
  const steps: Step[] = [];
  for (const [, block = ""] of text.matchAll(/^```console\n(.*?)^```/gms)) {
    for (const line of block.trimEnd().split("\n")) {
      if (line.startsWith("$ ")) steps.push({ command: line.slice(2), output: [] });
      else steps.at(-1)?.output.push(line);
    }
  }
  return steps;
}

function pattern(lines: readonly string[]): RegExp {
  const escaped = lines.map((line) =>
    line
      .split("…")
      .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"))
      .join(".*"),
  );
  return new RegExp(`^${escaped.join("\n")}\n?$`);
}
