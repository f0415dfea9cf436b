/**
 * KVM without KVM hardware, the short form of `npm run test:nested`: a VM with `--nested` is given banger, this host's QEMU and
 * one kernel, and has a VM of its own there, with KVM.
 */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { describe, test } from "node:test";
import { makeHome } from "../support/home.ts";
import { packBed, REPOSITORY, TINY } from "../support/nested/bed.ts";
import { qemuMissing } from "../support/suite-driver.ts";

const LIMIT = "5m"; // it takes a minute and a half on a host with three times more to do than it has processors
/** One processor, for what support/nested/nested-bed.ts says of two. */
const BED = [
  ...["--nested", "--driver", "qemu", "--image", "bed", "--timeout", LIMIT],
  ...["--vcpu", "1", "--memory", "1G", "--disk-size", "1G"],
];
const SMALL = ["--driver", "qemu", "--vcpu", "1", "--memory", "256M", "--disk-size", "256M"];

const DOCTOR = /^PASS\s+driver\s+qemu\/kvm: .*\(KVM, kvm_\w+\), proved by a boot.*/m;

/** `vm run` proves KVM by a boot first; doctor then tells of it. */
const SCRIPT = `
export HOME=/root CI=true PATH='${dirname(process.execPath)}':/usr/sbin:/usr/bin
modprobe kvm_amd || modprobe kvm_intel || exit 99
cd '${REPOSITORY}'
./banger vm run --rm --image ${TINY} ${SMALL.join(" ")} -- uname -a
./banger doctor
./banger daemon stop`;

describe("a VM with --nested", { skip: qemuMissing() }, async () => {
  const home = await makeHome();

  test("has VMs of its own, with KVM", async (t) => {
    const bed = await home.run(["image", "import", await packBed(home), "bed"]);
    assert.equal(bed.code, 0, bed.stderr);
    const inside = await home.run(["vm", "run", "--rm", ...BED, "--", "sh", "-c", SCRIPT]);
    if (inside.code === 99 && /qemu\/kvm/.test(inside.stderr))
      return t.skip("this host's own KVM offers no virtualization to its guests");
    const said = `${inside.stderr}\n${inside.stdout}`;
    for (const line of [/^spec: .*qemu\/kvm.*/m, /^Linux .*cloud-amd64 .*/m, DOCTOR]) {
      assert.match(said, line);
      t.diagnostic(line.exec(said)?.[0] ?? "");
    }
  });
});
