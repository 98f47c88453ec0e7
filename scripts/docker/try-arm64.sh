#!/usr/bin/env bash
# Builds the image for arm64 on a machine of another kind, the Dockerfile as it is, and holds it to what smoke.sh asks of every image, by an
# emulator: half an hour on two cores. `scripts/docker/try-arm64.sh`, as root; it needs what make-base.sh and emulate.sh need.
#
# It is a proof that the image is whole, not of its speed: the server loads one model, with one thread for its operators, and is waited for twenty times as long.
set -euo pipefail
cd "$(dirname "$0")"

restore() { ./emulate.sh off; ./make-base.sh 24 "$(dpkg --print-architecture)" >/dev/null; }
./emulate.sh
trap restore EXIT
./make-base.sh 24 arm64
began=$(date +%s)
image=$(ARCH=arm64 ./build.sh)
echo "built $image in $(($(date +%s) - began)) s"
SLOW=20 RUN="-e ALBERT_MODELS_LOAD=/app/models/sentiment -e ALBERT_RUNTIME_INTRA_THREADS=1" ./smoke.sh "$image"
