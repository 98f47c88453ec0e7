#!/usr/bin/env bash
# Makes the base images that the Dockerfile names, where no image registry can be reached: Debian by debootstrap, Node from the
# npm registry, imported into the local Docker daemon under the very tags. The Dockerfile is then built as it is.
#
#   scripts/docker/make-base.sh [NODE_MAJOR]      26, 24 (the Dockerfile's, taken unless given) or 22
#
# Needs root, debootstrap, docker and npm. Debian's packages come from DEBIAN_MIRROR, else from where this machine gets its own.
set -euo pipefail
cd "$(dirname "$0")/../.."

major=${1:-24}
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

if ! docker image inspect "$debian" >/dev/null 2>&1; then
  debootstrap --variant=minbase --include=ca-certificates "$release" "$work/root" "$mirror" >"$work/debootstrap.log" ||
    { tail -20 "$work/debootstrap.log" >&2; exit 1; }
  # What the official slim image leaves out too.
  rm -rf "$work"/root/var/{cache/apt,lib/apt/lists,log}/* "$work"/root/usr/share/{doc,info,locale,man}/*
  tar -C "$work/root" -c . | docker import -c 'CMD ["bash"]' - "$debian" >/dev/null
  echo "made $debian"
fi

if ! docker image inspect "$node" >/dev/null 2>&1; then
  case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) echo "make-base: no Node for $(uname -m)" >&2; exit 1 ;; esac
  mkdir "$work/node"
  (cd "$work/node" && npm pack --silent "node-linux-$arch@$major" >/dev/null && tar -xzf ./*.tgz)
  # npm itself, a release that runs on every Node this project supports.
  npm install --silent --ignore-scripts --no-save --prefix "$work/npm" npm@10.9.4
  files=$work/files/usr/local
  mkdir -p "$files/bin" "$files/lib/node_modules"
  cp "$work/node/package/bin/node" "$files/bin/"
  cp -r "$work/npm/node_modules/npm" "$files/lib/node_modules/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$files/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$files/bin/npx"
  printf 'FROM %s\nCOPY files /\nCMD ["node"]\n' "$debian" >"$work/Dockerfile"
  docker build --quiet --tag "$node" "$work" >/dev/null
  echo "made $node"
fi
docker run --rm "$node" sh -c 'echo "base: $(. /etc/os-release; echo "$PRETTY_NAME"), Node $(node --version), npm $(npm --version)"'
