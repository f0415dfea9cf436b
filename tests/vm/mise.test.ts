/** A repository's tools are really installed: mise's npm backend in a guest, from the user's own registry, over --nat. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lookup, resolve4 } from "node:dns/promises";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { bootstrap } from "../../src/cli/bootstrap.ts";
import { misePlan } from "../../src/git/mise-plan.ts";
import { downloadNpmPackage } from "../../src/host/npm.ts";
import type { Sandbox } from "../../src/sdk/index.ts";
import { configureHome } from "../support/command.ts";
import { makeHome } from "../support/home.ts";
import { otherMachineMissing } from "../support/other-machine.ts";
import { testContext } from "../support/place.ts";
import { makeRepository } from "../support/repository.ts";
import { suiteLacks } from "../support/suite-driver.ts";

/** Small, without dependencies, with a program. */
const TOOL = { name: "npm:semver", version: "7.6.3" };

/** By npm itself: mise's own installer wants times of publication, which not every mirror of the registry tells. */
const miseToml = (version: string) =>
  `[settings.npm]\npackage_manager = "npm"\n[tools]\n"${TOOL.name}" = "${version}"\n`;

/** The registry of the user's own npm configuration, read before the home becomes the test's. */
const registry = (() => {
  try {
    return new URL(execFileSync("npm", ["config", "get", "registry"], { encoding: "utf8" }).trim());
  } catch {
    return null;
  }
})();
const authorities = process.env.NODE_EXTRA_CA_CERTS;

/** Why nothing can be fetched from a registry here, or false. */
async function registryMissing(): Promise<string | false> {
  if (!registry) return "npm is not installed, or has no registry";
  const answer = await fetch(new URL("semver", registry), { signal: AbortSignal.timeout(20_000) }).catch(
    (error: Error) => error,
  );
  if (answer instanceof Error) return `npm's registry cannot be reached: ${answer.message}`;
  await answer.body?.cancel();
  return answer.ok ? false : `npm's registry answers with ${answer.status}`;
}

describe("tools", {
  skip: suiteLacks("nat") || (await otherMachineMissing()) || (await registryMissing()),
}, async () => {
  const home = await makeHome();
  if (authorities) home.env.NODE_EXTRA_CA_CERTS = authorities;
  if (registry) process.env.npm_config_registry = registry.href; // the home has no settings of npm's

  /** Whether this host's resolver has an answer, whatever stands in its own files. */
  const resolverKnows = (name: string) =>
    resolve4(name).then(
      () => true,
      () => false,
    );

  /** Node, npm and mise, as an image with them has them; and a name that only this host's own files know. */
  async function equip(vm: Sandbox): Promise<void> {
    await vm.copyIn(process.execPath, "/usr/local/bin/node");
    for (const [spec, folder] of [
      ["npm@11.6.2", "/usr/local/lib/npm"],
      ["@jdxcode/mise-linux-x64@2026.9.15", "/opt/mise"],
    ] as const) {
      const scratch = join(home.path, folder.replaceAll("/", "-"));
      mkdirSync(scratch);
      const archive = await downloadNpmPackage(spec, scratch, AbortSignal.timeout(120_000));
      await vm.copyIn(archive, "/root/package.tgz");
      await vm.exec([
        "sh",
        "-c",
        `mkdir -p ${folder} && tar xzf /root/package.tgz --strip-components=1 -C ${folder}`,
      ]);
    }
    const { hostname, href } = registry as URL;
    const { address } = await lookup(hostname, 4);
    const { exitCode, stderr } = await vm.exec([
      ...["sh", "-ec"],
      `ln -s ../lib/npm/bin/npm-cli.js /usr/local/bin/npm; ln -s /opt/mise/bin/mise /usr/local/bin/mise
       echo "registry=$1" >/root/.npmrc; [ "$4" = true ] || echo "$3 $2" >>/etc/hosts
       timeout 20 getent ahostsv4 "$2" || { echo "the guest's resolver does not know $2" >&2; exit 1; }`,
      ...["sh", href, hostname, address, String(await resolverKnows(hostname))],
    ]);
    assert.equal(exitCode, 0, String(stderr));
  }

  test("that a repository asks mise for are installed over --nat, and on the path of commands and shells", async () => {
    await configureHome(home.path, "trust_host_ca = true\n");
    const repo = makeRepository(join(home.path, "app"), {
      "mise.toml": miseToml(TOOL.version),
    });
    const without = await home.run(["vm", "run", repo]);
    assert.match(without.stderr, /npm:semver 7\.6\.3 would be installed.*\n.*--nat.*--no-bootstrap/);
    const made = await home.run([
      "vm",
      "run",
      repo,
      "-d",
      "--name",
      "tools",
      "--nat",
      "--no-bootstrap",
      "--quiet",
    ]);
    assert.equal(made.code, 0, made.stderr);
    const vm = await (await home.connect()).get("tools");
    await equip(vm);
    const absent = await home.run(["vm", "exec", "tools", "--", "semver", "1.2.3", "-i", "minor"]);
    assert.notEqual(absent.code, 0, "nothing is installed on the way");
    const plan = await misePlan(repo);
    assert.deepEqual(plan?.tools, [TOOL]);
    const context = testContext();
    await bootstrap(vm, plan, context, { background: false, quiet: false });
    assert.doesNotMatch(context.printed.stderr, /were not installed/);
    assert.match(context.printed.stderr, /note: tools: npm:semver 7\.6\.3; log in the guest: /);
    assert.match(await vm.files.readText("/var/log/banger-bootstrap.log"), /semver/);
    const command = await home.run(["vm", "exec", "tools", "--", "semver", "1.2.3", "-i", "minor"]);
    assert.deepEqual([command.stdout, command.code], ["1.3.0\n", 0], command.stderr);
    const shell = await home.run(["vm", "exec", "tools"], "semver 1.2.3 -i major\n");
    assert.equal(shell.stdout, "2.0.0\n");
    // One that does not exist is told with the log's end, and is not the end.
    await vm.files.write("/root/repo/mise.toml", miseToml("0.0.1-none"));
    const failing = testContext();
    await bootstrap(vm, plan, failing, { background: false, quiet: true });
    assert.match(failing.printed.stderr, /the tools were not installed \(code \d+\):\n.*0\.0\.1-none/s);
  });
});
