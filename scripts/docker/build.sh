#!/usr/bin/env bash
# Builds the image from a checkout: `scripts/docker/build.sh [VARIANT] [NODE_MAJOR]`, cpu and 24 unless given; prints its tag.
# The builder's own npm settings and certificates (NODE_EXTRA_CA_CERTS) are lent to the build as a secret and stay out of the image.
# ARCH=arm64 (or amd64) makes it for that processor, and names it in the tag; another than this machine's needs scripts/docker/emulate.sh.
# Base images that are not here and cannot be pulled: scripts/docker/make-base.sh makes them.
set -euo pipefail
cd "$(dirname "$0")/../.."

variant=${1:-cpu}
node=${2:-24}
version=$(sed -nE 's/^  "version": "(.*)",$/\1/p' package.json)
tag=albert-serve:$version-$variant${ARCH:+-$ARCH}

# A client that can lend secrets: not every one comes with BuildKit.
for docker in ${DOCKER:-docker /usr/bin/docker}; do
  if DOCKER_BUILDKIT=1 "$docker" build --help 2>/dev/null | grep -q -- --secret; then break; else docker=; fi
done
: "${docker:?build: no docker client with BuildKit found; name one with DOCKER}"

npmrc=${NPM_CONFIG_USERCONFIG:-$HOME/.npmrc}
lend=()
if [ -n "${ARCH:-}" ]; then lend+=(--platform "linux/$ARCH"); fi
if [ -f "$npmrc" ]; then lend+=(--secret "id=npmrc,src=$npmrc"); fi
if [ -f "${NODE_EXTRA_CA_CERTS:-}" ]; then lend+=(--secret "id=certificates,src=$NODE_EXTRA_CA_CERTS"); fi
if [ -n "${BUILD_NETWORK:-}" ]; then lend+=(--network "$BUILD_NETWORK"); fi
DOCKER_BUILDKIT=1 "$docker" build "${lend[@]}" --tag "$tag" \
  --build-arg "VARIANT=$variant" --build-arg "NODE=$node" --build-arg "VERSION=$version" \
  --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
  --build-arg "CREATED=$(git log -1 --format=%cI 2>/dev/null || echo 1970-01-01T00:00:00Z)" . >&2
echo "$tag"
