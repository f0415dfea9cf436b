/**
 * KVM without KVM hardware: a VM whose processor is emulated with its virtualization extension, banger put into it as on any
 * host, and its VMs there run with KVM: one by the command line, then test files of tests/vm. Slow: everything in it is emulated
 * once, its VMs' privileged parts twice.
 *
 * BANGER_TEST_NESTED names other test files, or is `all`; BANGER_TEST_FIRECRACKER=path has them run on that program.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { makeHome } from "../support/home.ts";
import { chosenFiles } from "../support/nested/choice.ts";
import { NestedBed } from "../support/nested/nested-bed.ts";
import { NO_FIRECRACKER } from "../support/suite-driver.ts";

/** As `npm run test:vm` has them; each file is an end of its own, so that one that fails or hangs does not take the others with it. */
const RUNNER = [
  "--test-concurrency=1",
  "--test-timeout=900000",
  "--test-global-setup=tests/support/global-setup.ts",
];
const firecracker = process.env.BANGER_TEST_FIRECRACKER;
const SMALL = "--vcpu 1 --memory 256M";

describe("inside a VM that can virtualize", async () => {
  let bed: NestedBed | undefined;
  after(() => bed?.end()); // before the home is taken down, which finds whatever is left
  const home = await makeHome();
  const here = () => bed ?? assert.fail("there is no bed");

  before(async () => {
    bed = await NestedBed.start(home, firecracker);
  });

  test("banger proves that KVM can be used, and runs a VM with it", async () => {
    const said = await here().shell(
      `./banger vm run --rm --driver qemu ${SMALL} -- uname -a || { cat ~/.local/state/banger/daemon.log; exit 1; }`,
    );
    assert.match(said, /qemu\/kvm/);
    assert.match(said, /^Linux .*cloud-amd64/m);
    const found = await here().shell("./banger doctor || true; ./banger daemon stop");
    assert.match(found, /driver\s+\w+\/kvm: .*\(KVM, kvm_amd\), proved by a boot/);
  });

  test("Firecracker runs a VM", { skip: firecracker ? false : NO_FIRECRACKER }, async () => {
    const said = await here().shell(`./banger vm run --rm --driver firecracker ${SMALL} -- uname -a`);
    assert.match(said, /firecracker\/kvm/);
    assert.match(said, /^Linux .*cloud-amd64/m);
    await here().shell("./banger daemon stop");
  });

  for (const { path, skip } of chosenFiles())
    test(`${path} passes with KVM`, { skip }, async () => {
      await here().run(["node_modules/node/bin/node", "--test", ...RUNNER, path]);
    });
});
