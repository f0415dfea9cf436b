/**
 * A host with another /dev/kvm than this one has, for commands of banger's as they are: in a mount namespace of their own,
 * banger finds what a host with KVM shows. The monitor that is started there needs no KVM: it is Firecracker's double.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * `usable`: the device opens, a backend is loaded. `denied`: it may not be opened. `bare`: nothing drives it.
 * `tunless`: usable, but there is no /dev/net/tun.
 */
export type KvmLook = "usable" | "denied" | "bare" | "tunless";

/** Mounts can be made by root alone. */
export const kvmHostMissing = process.getuid?.() === 0 ? false : "namespaces for another /dev/kvm need root";

/** /dev is put together anew, so that nothing of the real one changes. A tmpfs without devices denies what is opened there. */
const SCRIPT = `
set -e
at=$1 look=$2; shift 2
mount -t tmpfs banger-test /sys/module
[ "$look" = bare ] || mkdir /sys/module/kvm_amd
mount -t tmpfs banger-test "$at/dev"
for entry in /dev/*; do
  new=$at/dev/\${entry##*/}
  if [ "$entry" = /dev/kvm ] || [ "$look/$entry" = tunless//dev/net ]; then continue
  elif [ -h "$entry" ]; then cp -P "$entry" "$new"
  elif [ -d "$entry" ]; then mkdir "$new"; mount --rbind "$entry" "$new"
  else : > "$new"; mount --bind "$entry" "$new"
  fi
done
: > "$at/dev/kvm"
if [ "$look" = denied ]; then
  mount -t tmpfs -o nodev banger-test "$at/denied"
  mknod "$at/denied/kvm" c 10 232
  mount --bind "$at/denied/kvm" "$at/dev/kvm"
else
  mount --bind /dev/null "$at/dev/kvm"
fi
mount --rbind "$at/dev" /dev
exec "$@"`;

/**
 * What is put before a command to run it on such a host.
 * @param folder an existing one of the test's own
 */
export function onKvmHost(folder: string, look: KvmLook): string[] {
  const at = join(folder, `host-${look}`);
  for (const part of ["dev", "denied"]) mkdirSync(join(at, part), { recursive: true });
  return ["unshare", "--mount", "--", "/bin/sh", "-c", SCRIPT, "sh", at, look];
}

/**
 * A QEMU for `qemu_bin` with which a kernel boots on that KVM: on a host that is itself virtual, banger wants to see that.
 * Everything else it does as the real one.
 */
export function provingQemu(folder: string, real = "qemu-system-x86_64"): string {
  const program = join(folder, "qemu-system-x86_64");
  writeFileSync(
    program,
    `#!/bin/sh
case " $* " in
  *" -accel kvm "*) echo "VFS: Unable to mount root fs" ;;
  *) exec '${real}' "$@" ;;
esac
`,
    { mode: 0o755 },
  );
  return program;
}
