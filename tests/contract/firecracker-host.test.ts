/** What banger says of Firecracker and of a host's KVM, through the command line: usable, or refused before anything is made. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Row } from "../../src/doctor/row.ts";
import { DoubleHost } from "../support/double-host.ts";
import { makeHome } from "../support/home.ts";
import { jailsMissing } from "../support/jails-missing.ts";
import { type KvmLook, kvmHostMissing } from "../support/kvm-host.ts";

const AARCH64 = 183;

describe("Firecracker on a host", { skip: kvmHostMissing }, async () => {
  const host = await DoubleHost.make({});
  const home = await makeHome({ seeded: false });

  const rows = async (look: KvmLook = "usable"): Promise<Row[]> =>
    JSON.parse((await host.run(home, ["doctor", "--json"], look)).stdout);
  const driverRow = async (look: KvmLook = "usable"): Promise<Row> =>
    (await rows(look)).find(({ name }) => name === "driver") ?? assert.fail("no row for the driver");

  /** A VM on it is refused, with words that fit, and nothing is there afterwards. */
  async function refused(words: RegExp, hint: RegExp, look: KvmLook = "usable"): Promise<void> {
    const ran = await host.run(home, ["vm", "run", "--driver", "firecracker", "--", "true"], look);
    assert.equal(ran.code, 125, ran.stderr);
    assert.match(ran.stderr, words);
    assert.match(ran.stderr, hint);
    assert.deepEqual(readdirSync(join(home.state, "vms")), []);
  }

  describe("with KVM", () => {
    before(() => host.configure(home));
    after(() => home.run(["daemon", "stop"]));

    test("is what runs VMs, and doctor says why in one line", async () => {
      const { state, detail } = await driverRow();
      assert.equal(state, "pass");
      assert.match(
        detail,
        /^firecracker\/kvm: Firecracker 1\.17\.0, hardware virtualization \(KVM, kvm_amd\)/,
      );
    });

    test("that is newer than the tested one is used with a word of it", async () => {
      host.plan({ version: "1.99.3" });
      const { state, detail } = await driverRow();
      assert.equal(state, "warn");
      assert.match(detail, /Firecracker 1\.99\.3.*newer than 1\.17, which banger is tested with/);
    });

    test("that is too old is passed over, and refused when it is asked for", async () => {
      host.plan({ version: "1.4.1" });
      assert.match(
        (await driverRow()).detail,
        /not firecracker: Firecracker 1\.4\.1 is too old, 1\.5\.0 is needed/,
      );
      const finding = (await rows()).find(({ name }) => name === "firecracker");
      assert.deepEqual(
        [finding?.state, finding?.detail],
        ["fail", "Firecracker 1.4.1 is too old, 1.5.0 is needed"],
      );
      assert.match(finding?.fix ?? "", /get a release .* firecracker_bin/);
      await refused(/Firecracker 1\.4\.1 is too old, 1\.5\.0 is needed/, /firecracker_bin/);
    });

    const folder = join(home.path, "programs");
    const programs: Record<string, readonly [make: (path: string) => void, words: RegExp]> = {
      missing: [() => {}, /does not exist/],
      "a folder": [(path) => mkdirSync(path), /is not a file/],
      "not executable": [(path) => writeFileSync(path, "", { mode: 0o644 }), /is not executable/],
      "of another architecture": [
        (path) => {
          const head = Buffer.alloc(64);
          head.write("\x7fELF\x02\x01\x01", "latin1");
          head.writeUInt16LE(AARCH64, 18);
          writeFileSync(path, head);
          chmodSync(path, 0o755);
        },
        /is built for arm64, this host is x64/,
      ],
      "not Firecracker": [
        (path) => writeFileSync(path, "#!/bin/sh\necho something else\n", { mode: 0o755 }),
        /does not tell a version of Firecracker \(something else\)/,
      ],
    };
    for (const [what, [make, words]] of Object.entries(programs)) {
      test(`whose program is ${what} is refused`, async () => {
        mkdirSync(folder, { recursive: true });
        const path = join(folder, what.replaceAll(" ", "-"));
        make(path);
        await host.configure(home, path);
        assert.match((await driverRow()).detail, words);
        await refused(words, /firecracker_bin/);
      });
    }

    test("refuses what it does not have, before anything is made", async () => {
      host.plan({});
      await host.configure(home);
      const ran = await home.run(["vm", "create", "--driver", "firecracker", "--nested"]);
      assert.notEqual(ran.code, 0);
      assert.match(ran.stderr, /firecracker.*it does not have/s);
      assert.ok(ran.stderr.includes("leave out --nested"), ran.stderr);
      assert.deepEqual(readdirSync(join(home.state, "vms")), []);
    });

    test("where taps cannot be made has no --nat: told, refused, and not chosen for it", async () => {
      await home.run(["daemon", "stop"]);
      assert.match(
        (await driverRow("tunless")).detail,
        /; no --nat: \/dev\/net\/tun cannot be opened by this user/,
      );
      const create = (driver: string) =>
        host.run(home, ["vm", "create", "--driver", driver, "--nat", "--image", "no-such-image"], "tunless");
      const named = await create("firecracker");
      assert.match(
        named.stderr,
        /firecracker.*\(\/dev\/net\/tun cannot be opened by this user \(ENOENT\)\) it does not have/s,
      );
      assert.match(named.stderr, /leave out --nat/);
      assert.match((await create("auto")).stderr, /no-such-image/); // QEMU was taken, and all was well but for the image
    });

    test("that its jailer starts has --nat where taps can be made, and only there", {
      skip: jailsMissing,
    }, async () => {
      host.installJailer();
      for (const [look, words] of [
        ["usable", /; started by its jailer, \S+$/],
        ["tunless", /; started by its jailer, \S+; no --nat: \/dev\/net\/tun cannot be opened by this user/],
      ] as const) {
        await home.run(["daemon", "stop"]);
        assert.match((await driverRow(look)).detail, words);
      }
    });
  });

  for (const [look, words] of [
    ["denied", /\/dev\/kvm cannot be opened by this user/],
    ["bare", /no hardware backend \(kvm_intel, kvm_amd\) is loaded/],
  ] as const) {
    test(`with a KVM that is ${look} is passed over, and refused when it is asked for`, async (t) => {
      t.after(() => home.run(["daemon", "stop"]));
      await host.configure(home);
      assert.match((await driverRow(look)).detail, words);
      await refused(words, /use --driver qemu/, look);
    });
  }
});
