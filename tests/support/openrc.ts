/** A small system as Alpine has it: busybox as init, OpenRC as service manager, musl beside. Of Debian's packages, since Alpine's own are elsewhere. */
import { run } from "../../src/host/run.ts";
import { findTool } from "../../src/host/tools.ts";

const PACKAGES = ["openrc", "librc1", "libeinfo1"];

/** Why it cannot be made here, or false. */
export async function openrcMissing(): Promise<string | false> {
  if (!(await findTool("musl-gcc"))) return "musl-gcc is not installed";
  return run("apt-cache", ["show", ...PACKAGES]).then(
    () => false,
    () => "apt knows no package openrc",
  );
}

/** Shell text for ImageMaker: fills the current folder, which is empty. The service `probe` tells of its start in the fifo /root/started and of its stop in the file /root/stopped. */
export const OPENRC = `
work=$(mktemp -d)
(cd "$work"; apt-get -q download ${PACKAGES.join(" ")}; for deb in *.deb; do dpkg-deb -x "$deb" tree; done) >/dev/null 2>&1
cp -a "$work"/tree/. .
rm -rf usr/share etc/runlevels
mkdir -p bin sbin lib lib64 usr/bin usr/sbin root tmp var/log
cp "$(command -v busybox)" bin/busybox
for applet in $(bin/busybox --list); do [ -e bin/$applet ] || [ -e sbin/$applet ] || ln -s /bin/busybox bin/$applet; done
ln -s /bin/busybox sbin/init
LD_LIBRARY_PATH="$PWD/usr/lib/x86_64-linux-gnu:$PWD/lib/x86_64-linux-gnu" ldd sbin/openrc-run sbin/openrc |
  grep -o '/[^ ]*' | grep -v -e "^$PWD" -e : | sort -u | while read -r file; do cp -L --parents "$file" .; done

echo '#include <stdio.h>
#include <pwd.h>
int main(void) { struct passwd *p = getpwuid(1234); return puts(p ? p->pw_name : "nobody") < 0; }' >"$work/who.c"
musl-gcc -o usr/bin/who-is "$work/who.c"
install -m 755 "$(readlink -f /lib/ld-musl-x86_64.so.1)" lib/ld-musl-x86_64.so.1
rm -r "$work"

printf 'root:x:0:0:root:/root:/bin/sh\\napp:x:1234:1234:App:/:/bin/sh\\n' >etc/passwd
printf 'root:x:0:\\napp:x:1234:\\n' >etc/group
printf '::%s:/sbin/openrc %s\\n' sysinit sysinit sysinit boot wait default shutdown shutdown >etc/inittab
mkfifo root/started
mkdir -p etc/runlevels/sysinit etc/runlevels/boot etc/runlevels/default etc/runlevels/shutdown
printf '%s\\n' '#!/sbin/openrc-run' 'start() { /usr/bin/who-is >/root/started; }' 'stop() { echo stopped >/root/stopped; }' >etc/init.d/probe
chmod 755 etc/init.d/probe
ln -s /etc/init.d/probe etc/runlevels/default/probe
`;
