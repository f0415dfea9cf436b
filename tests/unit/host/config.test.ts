import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { parseConfig } from "../../../src/core/config.ts";
import { GIB, MIB } from "../../../src/core/units.ts";
import { ConfigFile, readConfig } from "../../../src/host/config-file.ts";
import { temporaryPaths } from "../../support/temporary.ts";

async function read(t: TestContext, toml: string) {
  const paths = temporaryPaths(t);
  mkdirSync(paths.config, { recursive: true });
  writeFileSync(join(paths.config, "config.toml"), toml);
  return readConfig(paths);
}

test("default_dns takes addresses of other machines", async () => {
  assert.deepEqual(parseConfig({ default_dns: ["192.0.2.1"] }, "f", "").default_dns, ["192.0.2.1"]);
  for (const [value, problem] of [
    [["127.0.0.53"], /default_dns\[0\]: must be an address that a guest reaches/],
    [["fd00::1"], /default_dns\[0\]: must be an IPv4 address/],
    ["192.0.2.1", /default_dns: .*array/],
    [["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"], /default_dns: at most 3 addresses/],
  ] as const)
    assert.throws(() => parseConfig({ default_dns: value }, "f", ""), problem);
});

test("no file is a file without keys", async (t) => {
  const config = await readConfig(temporaryPaths(t));
  assert.deepEqual(config, await read(t, ""));
  assert.equal(config.default_image, "debian-bookworm");
  assert.equal(config.driver, "auto");
});

test("values are read; sizes with and without unit", async (t) => {
  const config = await read(
    t,
    'standby = 0\nlog_level = "debug"\ndriver = "qemu"\n[vm_defaults]\nvcpu = 3\nmemory = 4096\ndisk_size = "20G"\n',
  );
  assert.equal(config.log_level, "debug");
  assert.deepEqual(config.vm_defaults, { vcpu: 3, memory: 4096 * MIB, disk_size: 20 * GIB });
  assert.equal((await read(t, "vm_defaults = { disk_size = 5 }")).vm_defaults.disk_size, 5 * GIB);
});

for (const [what, toml, expected] of [
  ["an unknown key", '\nimgae = "x"', /line 2: imgae: /],
  ["an unknown key in a table", "[vm_defaults]\nvcpu = 1\ncpus = 2", /line 3: vm_defaults\.cpus: /],
  ["an unknown table", 'driver = "qemu"\n[vms]\na = 1', /line 2: vms: /],
  ["a value that is none of those accepted", '# note\ndriver="vmware"', /line 2: driver: .*"auto".*"qemu"/],
  ["a value of the wrong type", "default_image = 3", /line 1: default_image: .*string/],
  ["a number that cannot be", "[vm_defaults]\n\n  vcpu = 0", /line 3: vm_defaults\.vcpu: /],
  ["a dotted key", "vm_defaults.vcpu = 1.5", /line 1: vm_defaults\.vcpu: /],
  ["a key in an inline table", '\nvm_defaults = { vcpu = "two" }', /line 2: vm_defaults\.vcpu: /],
  ...["true", "-1", "65", "1.5", '"8"'].map(
    (value) =>
      [`standby = ${value}`, `standby = ${value}`, /line 1: standby: .*whole number from 0 to 64/] as const,
  ),
  ["a size that is none", '[vm_defaults]\nmemory = "lots"', /line 2: vm_defaults\.memory: .*lots.*512M/s],
  ["text that is not TOML", '# fine\nlog_level = "info"\ndriver = "qemu\n', /line 3/],
  [
    "a file_sync entry without a guest",
    '[[file_sync]]\nhost = "~/a"\nguest = "~/a"\n\n[[file_sync]]\nhost = "~/b"',
    /line 5: file_sync\[1\]\.guest: /,
  ],
  ["file_sync that is no array", 'file_sync = "x"', /line 1: file_sync: .*array/],
  ...(
    [
      ["empty host path", 'host = ""\nguest = "~/x"', 2, "host", /must not be empty/],
      ["relative host path", 'host = "a/b"\nguest = "~/x"', 2, "host", /absolute or begin with ~\//],
      ["host path with ..", 'host = "/a/../b"\nguest = "~/x"', 2, "host", /'\.\.'/],
      ["host path of another user", 'host = "~joe/x"\nguest = "~/x"', 2, "host", /another user's home/],
      ["empty guest path", 'host = "/x"\nguest = ""', 3, "guest", /must not be empty/],
      ["relative guest path", 'host = "/x"\nguest = "x"', 3, "guest", /~\/ or \/root\//],
      ["guest path outside /root", 'host = "/x"\nguest = "/etc/x"', 3, "guest", /~\/ or \/root\//],
      ["guest path beside /root", 'host = "/x"\nguest = "/rooted/x"', 3, "guest", /~\/ or \/root\//],
      ["guest path that is the home itself", 'host = "/x"\nguest = "~/"', 3, "guest", /below it/],
      ["guest path with ..", 'host = "/x"\nguest = "~/../etc/x"', 3, "guest", /'\.\.'/],
      ["guest path of another user", 'host = "/x"\nguest = "~joe/x"', 3, "guest", /another user's home/],
      ["mode that is a number", 'host = "/x"\nguest = "~/x"\nmode = 600', 4, "mode", /string/],
      ["mode that is not octal", 'host = "/x"\nguest = "~/x"\nmode = "0698"', 4, "mode", /octal string/],
      ["mode with set-uid", 'host = "/x"\nguest = "~/x"\nmode = "4755"', 4, "mode", /octal string/],
      ["mode that is too short", 'host = "/x"\nguest = "~/x"\nmode = "7"', 4, "mode", /octal string/],
      ["unknown key", 'host = "/x"\nguest = "~/x"\nowner = "me"', 4, "owner", /Unrecognized key/],
    ] as const
  ).map(
    ([what, entry, line, key, problem]) =>
      [
        `a file_sync entry with a(n) ${what}`,
        `[[file_sync]]\n${entry}`,
        new RegExp(`line ${line}: file_sync\\[0\\]\\.${key}: .*${problem.source}`),
      ] as const,
  ),
] as const) {
  test(`${what} is an error that names it, its line and the file`, async (t) => {
    await assert.rejects(read(t, toml), (error: Error & { code?: string; hint?: string }) => {
      assert.equal(error.code, "invalid_config");
      assert.match(error.message, expected);
      assert.match(error.message, /config\.toml/);
      return true;
    });
  });
}

test("an unknown key is answered with the known ones", async (t) => {
  await assert.rejects(read(t, 'imgae = "x"'), {
    hint: /the keys log_level, default_image, default_kernel, driver/,
  });
  await assert.rejects(read(t, "[vm_defaults]\ncpus = 1"), { hint: /the keys vcpu, memory, disk_size/ });
  await assert.rejects(read(t, '[[file_sync]]\nhost="/x"\nguest="~/x"\nto = 1'), {
    hint: /the keys host, guest, mode/,
  });
});

test("file_sync is read: paths below the guest's home, modes as numbers", async (t) => {
  const { file_sync } = await read(
    t,
    '[[file_sync]]\nhost = "~/a"\nguest = "~/x//y/"\n[[file_sync]]\nhost = "/b"\nguest = "/root/z"\nmode = "644"',
  );
  assert.deepEqual(file_sync, [
    { host: "~/a", guest: "/root/x/y", mode: 0o600 },
    { host: "/b", guest: "/root/z", mode: 0o644 },
  ]);
});

test("a changed file counts when it is read again; a broken one is told and what was read before stays", async (t) => {
  const paths = temporaryPaths(t);
  mkdirSync(paths.config, { recursive: true });
  const file = await ConfigFile.open(paths);
  writeFileSync(join(paths.config, "config.toml"), 'default_image = "other"');
  assert.equal((await file.refresh()).default_image, "other");
  writeFileSync(join(paths.config, "config.toml"), "default_image = 1");
  await assert.rejects(file.refresh(), { code: "invalid_config" });
  assert.equal(file.current.default_image, "other");
});

test("a config that cannot be read is told with its path", async (t) => {
  const paths = temporaryPaths(t);
  mkdirSync(join(paths.config, "config.toml"), { recursive: true });
  await assert.rejects(readConfig(paths), { code: "state_unreadable", message: /config\.toml/ });
});
