/** `trust_host_ca`: a guest trusts what was added to this host, when asked to, and tools are installed over a network that needs it. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { configureHome } from "../support/command.ts";
import { makeHome } from "../support/home.ts";
import { type OtherMachine, otherMachineMissing, startOtherMachine } from "../support/other-machine.ts";
import { suiteLacks } from "../support/suite-driver.ts";

const TRUSTED = "/etc/banger/host-ca.pem";
const BUNDLE = "/etc/ssl/certs/ca-certificates.crt";

describe("certificate authorities of this host", {
  skip: suiteLacks("nat") || (await otherMachineMissing()),
}, async () => {
  let other: OtherMachine;
  after(() => other.remove()); // before the home is taken down: its certificate lies there
  const home = await makeHome();

  before(async () => {
    other = await startOtherMachine(home.path);
    home.env.NODE_EXTRA_CA_CERTS = other.certificate ?? "";
  });

  const banger = async (...args: string[]) => {
    const { code, stderr, stdout } = await home.run(args);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const guest = (script: string) => banger("vm", "exec", "box", "--", "sh", "-c", script);
  const restart = async (toml: string) => {
    await configureHome(home.path, toml);
    await banger("vm", "restart", "box", "--quiet");
  };
  /** By a folder of certificates, as OpenSSL looks, and by a file with all of them, as git does. */
  const trusts = async () => {
    const openssl = `openssl s_client -connect ${other.address}:7443 -verify_return_error </dev/null >/dev/null 2>&1`;
    const git = `git ls-remote https://${other.address}:7443/ 2>&1 | grep -q "certificate verification failed"`;
    return guest(`${openssl} && echo yes || echo no; ${git} && echo no || echo yes`);
  };

  test("are no guest's when the setting is off", async () => {
    await banger("vm", "create", "--name", "box", "--nat", "--memory", "512M", "--quiet");
    assert.equal(await trusts(), "no\nno\n");
    assert.equal(
      await guest(`ls -A /usr/local/share/ca-certificates; ls ${TRUSTED} 2>&1; echo $NODE_EXTRA_CA_CERTS`),
      `ls: cannot access '${TRUSTED}': No such file or directory\n\n`,
    );
  });

  test("are trusted from the next start on, once; and are taken back", async () => {
    await guest(`sha256sum ${BUNDLE} >/root/before`);
    await restart("trust_host_ca = true");
    assert.equal(await trusts(), "yes\nyes\n");
    assert.equal(
      await guest(`echo $NODE_EXTRA_CA_CERTS; stat -c %a $NODE_EXTRA_CA_CERTS`),
      `${TRUSTED}\n644\n`,
    );
    const made = await guest(`stat -c %y ${BUNDLE}`);
    await restart("trust_host_ca = true");
    assert.equal(await guest(`stat -c %y ${BUNDLE}`), made, "nothing was done again");
    await restart("");
    assert.equal(await trusts(), "no\nno\n");
    assert.equal(
      await guest(
        `ls -A /usr/local/share/ca-certificates; sha256sum --quiet -c /root/before; ls ${TRUSTED} 2>&1 | wc -l`,
      ),
      "1\n",
    );
  });

  test("go into the files that programs read in a guest that has no tools for it", async () => {
    await guest("rm -r /usr/local/share/ca-certificates; chmod -x /usr/bin/openssl");
    await restart("trust_host_ca = true");
    assert.match(await trusts(), /\nyes\n$/);
    await restart("");
    assert.equal(await trusts(), "no\nno\n");
    assert.equal(await guest("sha256sum --quiet -c /root/before && echo same"), "same\n");
  });
});
