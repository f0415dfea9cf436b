/**
 * `npm test`: every check and every test of the repository, one after the other, and a summary that says which passed.
 * The first that fails ends it. Each can be run alone: `npm run NAME`.
 */
import { spawn } from "node:child_process";

const STEPS = [
  "lint",
  "types",
  "layers",
  "deadcode",
  "test:agent",
  "test:unit",
  "test:contract",
  "test:fuzz",
  "test:machines",
];

function run(step: string): Promise<number> {
  const child = spawn("npm", ["run", "--silent", step], { stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}

const summary: string[] = [];
for (const step of STEPS) {
  console.log(`\n== ${step}`);
  const begin = Date.now();
  const code = await run(step);
  const seconds = ((Date.now() - begin) / 1000).toFixed(1);
  summary.push(`${code === 0 ? "passed" : "FAILED"}  ${step.padEnd(14)} ${seconds.padStart(6)}s`);
  if (code === 0) continue;
  console.log(`\n${summary.join("\n")}\nnpm test: ${step} failed; npm run ${step} runs it alone`);
  process.exit(1);
}
console.log(`\n${summary.join("\n")}\nnpm test: all ${STEPS.length} passed`);
