#!/usr/bin/env bash
# Lets this machine's kernel, and so Docker, run programs for arm64: fetches the emulator qemu-user of a Debian release and registers it
# with binfmt_misc, kept open by the kernel (flag F), so that containers need no copy. `scripts/docker/emulate.sh [RELEASE]`, trixie unless
# given; `scripts/docker/emulate.sh off` takes it back. Both hold until the machine starts again.
#
# Needs root, apt and dpkg-deb. The package comes from DEBIAN_MIRROR (http://deb.debian.org/debian), checked by apt with Debian's keys.
set -euo pipefail

entry=/proc/sys/fs/binfmt_misc/qemu-aarch64
release=${1:-trixie}
[ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
off() { if [ -e "$entry" ]; then echo -1 >"$entry"; fi; }
if [ "$release" = off ]; then off && exit; fi
if [ "$(uname -m)" = aarch64 ]; then echo "emulate: this machine runs arm64 by itself" >&2; exit 1; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/lists/partial "$work"/cache/archives/partial
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${DEBIAN_MIRROR:-http://deb.debian.org/debian} $release main" >"$work/sources.list"
settings=(-o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
apt-get "${settings[@]}" --quiet=2 update
(cd "$work" && apt-get "${settings[@]}" --quiet=2 download qemu-user)
dpkg-deb --fsys-tarfile "$work"/qemu-user_*.deb | tar -x -C "$work" ./usr/bin/qemu-aarch64
emulator=$work/usr/bin/qemu-aarch64 # linked statically; the kernel keeps it open, so the file may go

off
# The first twenty bytes of a program for arm64: ELF, 64 bits, little-endian, a program or library, machine 0xb7.
printf ':qemu-aarch64:M::%s:%s:%s:F' '\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00' \
  '\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff' "$emulator" >/proc/sys/fs/binfmt_misc/register
echo "emulator: $("$emulator" --version | head -1)"
