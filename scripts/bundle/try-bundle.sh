#!/usr/bin/env bash
# Installs a bundle and serves from it where there is no network at all (a network namespace with nothing but its own loopback).
# `scripts/bundle/try-bundle.sh FILE.tar.gz`; needs unshare and ip, as root or where users may make namespaces.
set -euo pipefail

bundle=$(readlink -f "${1:?usage: scripts/bundle/try-bundle.sh FILE.tar.gz}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd "$(dirname "$bundle")" && sha256sum --quiet --check "$bundle.sha256")
tar -xzf "$bundle" -C "$work"
cd "$work"/albert-serve-*
sha256sum --quiet --check SHA256SUMS
echo "unpacked: $(du -sm . | cut -f1) MB, $(wc -l <SHA256SUMS) files with the digests that they should have"

for name in adm-zip global-agent; do
  if [ -e "node_modules/$name" ]; then echo "try-bundle: $name is there, which nothing loads" >&2; exit 1; fi
done

unshare --map-root-user --net bash -c '
  set -euo pipefail
  ip link set lo up
  if (exec 3<>/dev/tcp/1.1.1.1/443) 2>/dev/null; then echo "try-bundle: there is a network after all" >&2; exit 1; fi
  bin/albert serve --server-public-address 127.0.0.1:50051 >"$1/log" 2>&1 &
  server=$!
  for _ in $(seq 60); do bin/albert health --server 127.0.0.1:50051 >/dev/null 2>&1 && break; sleep 1; done
  bin/albert classify --server 127.0.0.1:50051 "A gripping, honest film." | tee "$1/answer" || { tail -20 "$1/log" >&2; exit 1; }
  grep -q "positive" "$1/answer"
  kill -TERM $server
  wait $server
  echo "served without a network, and ended with status 0"
' bash "$work"
