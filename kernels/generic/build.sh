#!/bin/sh
# Builds the generic kernel from Debian's kernel source package, with the patches and the configuration beside this script.
#
#   kernels/generic/build.sh [folder]        default: ./build
#
# Leaves in the folder what "banger kernel import generic --from <folder>" and a bundle take: vmlinuz, config. The source and the
# objects lie in <folder>/.work and may go. JOBS says how many compilers run at once (all processors), SOURCE another
# source package. The same package and compiler give the same kernel, byte for byte, whoever builds it and when.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
source=${SOURCE:-linux-source-6.1}
mkdir -p "${1:-build}/.work"
out=$(cd "${1:-build}" && pwd)
work=$out/.work

fail() {
    echo "build.sh: $*" >&2
    exit 1
}

for tool in apt-get dpkg-deb patch make gcc flex bison bc lz4 xz; do
    command -v "$tool" >/dev/null || missing="${missing:-} $tool"
done
[ -e /usr/include/gelf.h ] || missing="${missing:-} gelf.h"
[ -z "${missing:-}" ] ||
    fail "not here:$missing; sudo apt-get install build-essential flex bison bc libelf-dev lz4 xz-utils"

# apt checks the package against Debian's signatures.
(cd "$work" && apt-get -q download "$source")
set -- "$work/$source"_*.deb
[ $# -eq 1 ] || fail "several packages in $work: remove the older ones"
package=$1
version=$(dpkg-deb --field "$package" Version)
tree=$work/linux-$version
if ! cat "$here"/*.patch | cmp -s - "$tree/.patches"; then
    rm -rf "$tree" "$tree.part"
    mkdir "$tree.part"
    dpkg-deb --fsys-tarfile "$package" | tar -xO "./usr/src/$source.tar.xz" | tar -xJ --strip-components=1 -C "$tree.part"
    cat "$here"/*.patch | tee "$tree.part/.patches" | patch -s -p1 -d "$tree.part"
    mv "$tree.part" "$tree"
fi

# Nothing of this host, this user or this moment gets into the kernel.
export LC_ALL=C TZ=UTC KBUILD_BUILD_USER=banger KBUILD_BUILD_HOST="debian-$version" KBUILD_BUILD_VERSION=1
KBUILD_BUILD_TIMESTAMP=$(date -u -r "$tree/Makefile" '+%Y-%m-%d %H:%M:%S UTC')
export KBUILD_BUILD_TIMESTAMP
make() { command make -s -C "$tree" O="$work/objects" "$@"; }

KCONFIG_ALLCONFIG=$here/config make allnoconfig >/dev/null
# An option whose dependencies are not met vanishes without a word.
grep -E '^(CONFIG_|# CONFIG_)' "$here/config" | grep -vxFf "$work/objects/.config" >"$work/lost" || true
[ ! -s "$work/lost" ] || fail "these lines of config did not take: $(tr '\n' ' ' <"$work/lost")"

make -j "${JOBS:-$(nproc)}" bzImage
cp "$work/objects/.config" "$out/config"
cp "$work/objects/arch/x86/boot/bzImage" "$out/vmlinuz"
echo "$out: Linux $(make kernelrelease) of $source $version"
