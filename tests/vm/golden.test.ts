/** The default image: what is in it, and that Docker runs containers in a VM of it. Builds it, which needs Debian's archive and npm's registry. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { silent } from "../../src/core/stage.ts";
import { run } from "../../src/host/run.ts";
import { ImageStore } from "../../src/images/store.ts";
import type { ImageDetails } from "../../src/sdk/index.ts";
import { makeHome } from "../support/home.ts";
import { BUSYBOX, ImageMaker } from "../support/images.ts";
import { registriesMissing } from "../support/registry.ts";
import { temporaryPaths } from "../support/temporary.ts";

const NAME = "golden";
/** What kernels/generic/build.sh left, to have Docker run on that kernel; it is not built in tests. */
const GENERIC = process.env.BANGER_TEST_GENERIC;
const HOURS = 3_600_000;

// Tests have homes of their own; npm's settings are where the user has them.
const settings = process.env.npm_config_userconfig ?? join(homedir(), ".npmrc");
const home = await makeHome();
process.env.npm_config_userconfig = settings;
home.env.npm_config_userconfig = settings;
const authorities = process.env.NODE_EXTRA_CA_CERTS;
if (authorities) home.env.NODE_EXTRA_CA_CERTS = authorities;
const built = await home.run(["image", "pull", "-q", "debian-bookworm"]);
const unreachable =
  /failed at (downloading with npm|reading package lists|downloading packages): .*/.exec(built.stderr)?.[0] ??
  false;

test("a recipe built again of the same packages gives the same digest", { skip: unreachable }, async (t) => {
  const work = { report: silent, signal: new AbortController().signal };
  const build = () => new ImageStore({ paths: temporaryPaths(t) }).ensure("debian-slim", work);
  const again = await build();
  const { stdout } = await home.run(["image", "show", "debian-slim", "--json"]);
  const seeded = JSON.parse(stdout) as ImageDetails;
  // One that was kept from another day may be of other packages.
  const recent = Date.now() - Date.parse(seeded.created_at ?? "") < 6 * HOURS;
  assert.equal(again.digest, recent ? seeded.digest : (await build()).digest);
});

describe("debian-bookworm", { skip: unreachable }, async () => {
  const umociMissing = await registriesMissing();

  /** Fails when the command in the guest does; its output otherwise. */
  const guest = async (script: string, input?: Buffer): Promise<string> => {
    const { code, stdout, stderr } = await home.run(["vm", "exec", NAME, "--", "sh", "-euc", script], input);
    assert.equal(code, 0, `${script}: ${stderr}${stdout}`);
    return stdout.trimEnd();
  };

  before(async () => {
    assert.equal(built.code, 0, built.stderr);
    const machine = ["--vcpu", "2", "--memory", "1G", "--disk-size", "2G"];
    if (GENERIC) {
      machine.push("--kernel", "generic");
      const imported = await home.run(["kernel", "import", "generic", "--from", GENERIC]);
      assert.equal(imported.code, 0, imported.stderr);
    }
    const args = ["-d", "--name", NAME, "--image", "debian-bookworm", "--wait", "system", ...machine];
    const { code, stderr } = await home.run(["vm", "run", ...args]);
    assert.equal(code, 0, stderr);
  });

  test("has what the specification names", async () => {
    const tools = "systemctl sshd docker containerd git curl jq tmux ip less gcc g++ make pkg-config mise";
    assert.equal(await guest(`for t in ${tools}; do command -v $t >/dev/null || echo no $t; done`), "");
    assert.match(await guest("mise --version"), /^\d{4}\.\d+\.\d+ linux-x64/);
    assert.equal(
      await guest(
        "cd /tmp; printf 'int main(void){return 7;}' >a.c; gcc a.c; code=0; ./a.out || code=$?; echo $code",
      ),
      "7",
    );
    assert.equal(
      await guest("systemctl is-system-running; systemctl is-active docker.socket"),
      "running\nactive",
    );
  });

  test("has a server for ssh that takes keys only", async () => {
    const effective = await guest("/usr/sbin/sshd -T");
    for (const line of [
      "permitrootlogin (without-password|prohibit-password)",
      "pubkeyauthentication yes",
      "passwordauthentication no",
      "kbdinteractiveauthentication no",
      "authorizedkeysfile /root/.ssh/authorized_keys",
      "strictmodes yes",
    ])
      assert.match(effective, new RegExp(`^${line}$`, "m"));
  });

  test("runs containers from an image that was loaded from a tar, on the state disk, without a network", {
    skip: umociMissing,
  }, async () => {
    await using maker = await ImageMaker.make();
    await maker.image(
      "hello",
      [
        `${BUSYBOX}for n in httpd wget hostname mount; do ln bin/busybox bin/$n; done; echo page >srv/index.html`,
      ],
      {
        config: ["--config.env", "PATH=/bin", "--config.cmd", "id", "--config.cmd=-u"],
      },
    );
    const tar = join(maker.folder, "hello.tar");
    await run("skopeo", ["copy", "-q", `oci:${maker.layout}:hello`, `docker-archive:${tar}:hello:1`]);
    assert.equal(
      await guest("systemctl is-active docker.service || true"),
      "inactive",
      "it starts when it is asked",
    );
    assert.match(await guest("docker load", await readFile(tar)), /Loaded image: hello:1/);
    assert.equal(
      await guest("docker info -f '{{.Driver}} {{.CgroupVersion}} {{.CgroupDriver}}'"),
      "overlay2 2 systemd",
    );
    assert.equal(
      await guest("df --output=fstype /var/lib/docker /var/lib/containerd | sort -u"),
      "Type\next4",
    );
    assert.equal(await guest("docker run --rm hello:1"), "0");
    assert.equal(
      await guest("docker run --rm --user 1234 --memory 64m hello:1 sh -c 'id -u; id -g; exit 7' || echo $?"),
      "1234\n2345\n7",
    );
    // Through the bridge, the veth pair and iptables' NAT.
    await guest(
      "docker run -d --restart=always --stop-signal=KILL --name web -p 8080:80 hello:1 httpd -f -p 80 -h /srv",
    );
    assert.equal(
      await guest("curl -sS --retry 5 --retry-all-errors http://127.0.0.1:8080/index.html"),
      "page",
    );
    const address = await guest("docker inspect -f '{{.NetworkSettings.IPAddress}}' web");
    assert.equal(await guest(`docker run --rm hello:1 wget -qO- http://${address}/index.html`), "page");
    assert.equal(
      await guest(
        'docker build -q -t two - <<\'E\' >/dev/null\nFROM hello:1\nRUN ["sh", "-c", "echo built >/srv/b"]\nE\ndocker run --rm two cat /srv/b',
      ),
      "built",
    );
  });

  test("has its containers again after a restart, those that are to run always run", {
    skip: umociMissing,
  }, async () => {
    const { code, stderr } = await home.run(["vm", "restart", NAME, "--wait", "system"]);
    assert.equal(code, 0, stderr);
    assert.equal(await guest("docker ps --format '{{.Names}}'"), "web");
    assert.equal(
      await guest("curl -sS --retry 5 --retry-all-errors http://127.0.0.1:8080/index.html"),
      "page",
    );
  });
});
