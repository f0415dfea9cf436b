/** A day with VMs, as docs/day.md tells it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { LAUNCHER } from "../support/command.ts";
import { makeHome } from "../support/home.ts";
import { runTranscript } from "../support/transcript.ts";

const home = await makeHome();

test("a day with VMs is as docs/day.md tells it", () => {
  const [folder, programs] = [join(home.path, "day"), join(home.path, "programs")];
  for (const made of [folder, programs]) mkdirSync(made);
  // ssh looks for its configuration where the user database says, not in HOME.
  writeFileSync(join(programs, "ssh"), '#!/bin/sh\nexec /usr/bin/ssh -F "$HOME/.ssh/config" "$@"\n', {
    mode: 0o755,
  });
  const PATH = [dirname(LAUNCHER), programs, process.env.PATH].join(":");
  runTranscript("docs/day.md", { ...home.env, PATH }, folder);
});
