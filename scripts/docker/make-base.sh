#!/usr/bin/env bash
# Makes the base images that the Dockerfile names, where no image registry can be reached: Debian by debootstrap, Node from the
# npm registry, imported into the local Docker daemon under the very tags. The Dockerfile is then built as it is.
#
#   scripts/docker/make-base.sh [NODE_MAJOR] [ARCH]      26, 24 (the Dockerfile's, taken unless given) or 22; amd64 or arm64 (this machine's)
#
# Needs root, debootstrap, docker and npm. Debian's packages come from DEBIAN_MIRROR, else from where this machine gets its own.
# For another processor than this machine's, the kernel needs an emulator of it: scripts/docker/emulate.sh. A tag names the images of one
# processor at a time, those made last; the others stay under a tag that ends in the processor's name, and are tagged again, not made again.
set -euo pipefail
cd "$(dirname "$0")/../.."

major=${1:-24}
own=$(dpkg --print-architecture)
arch=${2:-$own}
case $arch in
  amd64) cpu=x64 machine=x86_64 ;;
  arm64) cpu=arm64 machine=aarch64 ;;
  *) echo "make-base: no Node for $arch: give amd64 or arm64" >&2; exit 1 ;;
esac
release=bookworm
debian=debian:$release-slim
node=node:$major-$release-slim
docker() { command "${DOCKER:-docker}" "$@"; }
for tool in "${DOCKER:-docker}" debootstrap npm; do
  command -v "$tool" >/dev/null || { echo "make-base: $tool is not installed" >&2; exit 1; }
done
docker info >/dev/null 2>&1 || { echo "make-base: no Docker daemon answers; start dockerd" >&2; exit 1; }

sources() { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null || true; }
mirror=${DEBIAN_MIRROR:-$(sources | sed -nE 's#^(URIs:|deb) +(\[[^]]*\] +)?(https?://[^ ]*debian/?)( .*)?$#\3#p' | head -1)}
: "${mirror:?make-base: set DEBIAN_MIRROR, the address of a mirror of Debian}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Whether an image of this processor has the tag; one that was made before gets it again.
there() {
  [ "$(docker image inspect --format '{{.Architecture}}' "$1" 2>/dev/null)" != "$arch" ] || return 0
  docker tag "$1-$arch" "$1" 2>/dev/null
}
# Keeps what has the tag, whatever gets it next.
keep() {
  local of
  of=$(docker image inspect --format '{{.Architecture}}' "$1" 2>/dev/null) || return 0
  docker tag "$1" "$1-$of"
}
keep "$debian"
keep "$node"

if ! there "$debian"; then
  foreign=()
  if [ "$arch" != "$own" ]; then
    grep -q enabled "/proc/sys/fs/binfmt_misc/qemu-$machine" 2>/dev/null ||
      { echo "make-base: this kernel runs no programs for $arch: scripts/docker/emulate.sh $arch, as root, lets it" >&2; exit 1; }
    foreign=(--foreign "--arch=$arch")
  fi
  debootstrap "${foreign[@]}" --variant=minbase --include=ca-certificates "$release" "$work/root" "$mirror" >"$work/debootstrap.log" ||
    { tail -20 "$work/debootstrap.log" >&2; exit 1; }
  if [ "$arch" != "$own" ]; then
    chroot "$work/root" /debootstrap/debootstrap --second-stage >"$work/debootstrap.log" ||
      { tail -20 "$work/debootstrap.log" >&2; exit 1; }
  fi
  # What the official slim image leaves out too.
  rm -rf "$work"/root/var/{cache/apt,lib/apt/lists,log}/* "$work"/root/usr/share/{doc,info,locale,man}/*
  # By a build, for an import takes the processor of the daemon's machine whatever it is told.
  mkdir "$work/debian"
  tar -C "$work/root" -cf "$work/debian/root.tar" .
  printf 'FROM scratch\nADD root.tar /\nCMD ["bash"]\n' >"$work/debian/Dockerfile"
  DOCKER_BUILDKIT=1 docker build --platform "linux/$arch" --quiet --tag "$debian" "$work/debian" >/dev/null
  keep "$debian"
  echo "made $debian for $arch"
fi

if ! there "$node"; then
  mkdir "$work/node"
  (cd "$work/node" && npm pack --silent "node-linux-$cpu@$major" >/dev/null && tar -xzf ./*.tgz)
  # npm itself, a release that runs on every Node this project supports.
  npm install --silent --ignore-scripts --no-save --prefix "$work/npm" npm@10.9.4
  files=$work/files/usr/local
  mkdir -p "$files/bin" "$files/lib/node_modules"
  cp "$work/node/package/bin/node" "$files/bin/"
  cp -r "$work/npm/node_modules/npm" "$files/lib/node_modules/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$files/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$files/bin/npx"
  printf 'FROM %s\nCOPY files /\nCMD ["node"]\n' "$debian" >"$work/Dockerfile"
  DOCKER_BUILDKIT=1 docker build --platform "linux/$arch" --quiet --tag "$node" "$work" >/dev/null
  keep "$node"
  echo "made $node for $arch"
fi
docker run --rm --platform "linux/$arch" "$node" sh -c 'echo "base: $(. /etc/os-release; echo "$PRETTY_NAME") $(uname -m), Node $(node --version), npm $(npm --version)"'
