/** The whole way of an image by a catalog: key, publication, a static server on loopback, and a fresh home that runs it by name. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { banger, type CommandResult, configureHome, homeEnvironment } from "../support/command.ts";
import { linkTree, makeHome } from "../support/home.ts";
import { StaticServer } from "../support/static-server.ts";

const SMALL = ["--vcpu", "1", "--memory", "256M", "--disk-size", "256M", "-q"];

describe("an image of a catalog", async () => {
  const publisher = await makeHome();
  const folder = await mkdtemp(join(tmpdir(), "banger-catalog-"));
  const published = join(folder, "published");
  const key = join(folder, "team.key");
  const fresh = homeEnvironment(join(folder, "home"));
  let server: StaticServer;

  const good = async (result: Promise<CommandResult>): Promise<string> => {
    const { code, stdout, stderr } = await result;
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const user = (...args: string[]) => banger(args, { env: fresh });

  before(async () => {
    server = await StaticServer.start(published);
    await mkdir(join(folder, "home"), { mode: 0o700 });
  });

  after(async () => {
    await user("daemon", "stop");
    await server?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test("is published with a key of one's own, and verifies", async () => {
    const made = JSON.parse(await good(publisher.run(["catalog", "keygen", key, "--json"]))) as {
      public_key: string;
    };
    assert.equal((await stat(key)).mode & 0o777, 0o600);
    const again = await publisher.run(["catalog", "keygen", key]);
    assert.match(again.stderr, /exists already/);

    const to = ["--to", published, "--key", key, "-q"];
    const refused = await publisher.run([
      "image",
      "publish",
      "debian-slim",
      "--to",
      published,
      "--key",
      `${key}.none`,
    ]);
    assert.deepEqual([refused.code, /catalog keygen/.test(refused.stderr)], [1, true]);
    assert.deepEqual(
      await readdir(folder),
      ["home", "team.key", "team.key.pub"],
      "nothing was written without a key",
    );
    const facts = ["--as", "company", "--kernel", "debian-cloud", "--description", "the team's base"];
    assert.match(await good(publisher.run(["image", "publish", "debian-slim", ...facts, ...to])), /serial 1/);
    assert.match(
      await good(publisher.run(["catalog", "verify", published, "--key", `${key}.pub`, "-q"])),
      /signature is good.*company +amd64 +good/s,
    );
    assert.match(await good(publisher.run(["image", "verify", "debian-slim", "-q"])), /is whole/);

    const source = `url = "${server.origin}/catalog.json"\npublic_key = "${made.public_key}"\n`;
    await configureHome(join(folder, "home"), `[[catalogs]]\n${source}`);
  });

  test("runs by its name in a home that has nothing yet", async () => {
    // The kernel is a package of this host's distribution, and the agent is compiled: not what this is about.
    for (const part of [".local/state/banger/kernels", ".cache/banger/agent"])
      await linkTree(join(publisher.path, part), join(folder, "home", part));

    const listed = JSON.parse(await good(user("image", "list", "--available", "--json"))) as {
      name: string;
      digest: string | null;
      source: string;
    }[];
    assert.deepEqual(
      listed.filter(({ name }) => name === "company").map(({ digest, source }) => [digest, source]),
      [[null, "the team's base"]],
    );
    const { stdout } = await banger(["__complete", "--", "vm", "run", "--image", "=comp"], { env: fresh });
    assert.match(stdout, /^company\b/m);

    assert.equal(
      await good(
        user(
          "vm",
          "run",
          ...SMALL,
          "--rm",
          "--image",
          "company",
          "--",
          "sh",
          "-c",
          ". /etc/os-release; echo $ID",
        ),
      ),
      "debian\n",
    );
    const here = JSON.parse(await good(user("image", "show", "company", "--json"))) as { digest: string };
    const theirs = JSON.parse(
      await good(publisher.run(["image", "show", "debian-slim", "--json"])),
    ) as typeof here;
    assert.equal(here.digest, theirs.digest);
    assert.deepEqual(await readdir(join(folder, "home/.cache/banger/downloads")), []);
  });

  test("needs no catalog once it is here; one that was tampered with is told, and nothing of it used", async () => {
    const file = join(published, "catalog.json");
    await writeFile(file, (await readFile(file, "utf8")).replace('"serial": 1', '"serial": 9'));
    const ill = await user("catalog", "list");
    assert.deepEqual([ill.code, /catalog_signature_invalid/.test(ill.stdout)], [1, true]);
    assert.match(
      await good(user("vm", "run", ...SMALL, "--rm", "--image", "company", "--", "echo", "still")),
      /still/,
    );
    const other = await user("vm", "run", ...SMALL, "--rm", "--image", "unknown", "--", "true");
    assert.deepEqual([other.code, /signature of the catalog/.test(other.stderr)], [125, true]);
  });
});
