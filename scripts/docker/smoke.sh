#!/usr/bin/env bash
# Runs an image as a cluster would (read-only root, an unprivileged user, a memory limit) and holds it to what docs/docker.md
# promises: size, healthy, an answer, Node as process 1, no npm, a stop within its grace. `scripts/docker/smoke.sh IMAGE`; the size may be
# MOST_MB, 700 unless given (the CUDA variant has ONNX Runtime's libraries for it, 230 MB). An image for another processor runs by an
# emulator (scripts/docker/emulate.sh), some fifty times slower: SLOW=20 waits so many times as long, and RUN has more arguments for `docker run`.
set -euo pipefail

image=${1:?usage: scripts/docker/smoke.sh IMAGE}
docker=${DOCKER:-docker}
slow=${SLOW:-1}
read -ra more <<<"${RUN:-}"
most_bytes=$((${MOST_MB:-700} * 1000 * 1000))
fail() { echo "smoke: $1" >&2; "$docker" logs "$container" 2>&1 | tail -20 >&2; exit 1; }

arch=$("$docker" image inspect --format '{{.Architecture}}' "$image")
if [ "$slow" != 1 ]; then more+=(--health-interval "$((10 * slow))s" --health-timeout "$((5 * slow))s" --health-start-period "$((60 * slow))s"); fi
container=$("$docker" run --detach --platform "linux/$arch" --read-only --tmpfs /tmp --user 65532 --memory 2g "${more[@]}" "$image")
began=$(date +%s)
trap '"$docker" rm --force "$container" >/dev/null' EXIT

bytes=$("$docker" image inspect --format '{{.Size}}' "$image")
[ "$bytes" -lt "$most_bytes" ] || fail "the image has $bytes bytes"
echo "image: $((bytes / 1000000)) MB, $arch"

for _ in $(seq $((90 * slow))); do
  health=$("$docker" inspect --format '{{.State.Health.Status}}' "$container")
  if [ "$health" = healthy ]; then break; fi
  sleep 1
done
[ "$health" = healthy ] || fail "health is $health"
ready=$(($(date +%s) - began))
echo "health: $("$docker" exec "$container" albert health --timeout-ms $((3000 * slow))), after $ready s"

answer=$("$docker" exec "$container" albert classify --server 127.0.0.1:50051 --timeout-ms $((10000 * slow)) "A gripping, honest film.")
grep -q 'positive' <<<"$answer" || fail "Classify said: $answer"
echo "classify: $(head -1 <<<"$answer" | sed 's/^ *//')"

first=$("$docker" exec "$container" cat /proc/1/cmdline | tr '\0' ' ')
if [ "$slow" != 1 ]; then first=$(sed 's#^[^ ]*/qemu-[^ ]* [^ ]*/##' <<<"$first"); fi # an emulator stands before the program it runs
[ "${first%% *}" = node ] || fail "process 1 is $first"
echo "process 1: $first"
if "$docker" exec "$container" sh -c 'command -v npm npx gcc make python3'; then fail "there are build tools in the image"; fi

began=$(date +%s%N)
"$docker" stop --time $((30 * slow)) "$container" >/dev/null
took=$((($(date +%s%N) - began) / 1000000))
status=$("$docker" inspect --format '{{.State.ExitCode}} {{.State.OOMKilled}}' "$container")
[ "$status" = "0 false" ] || fail "it ended with $status (exit status, out of memory)"
echo "docker stop: ended by itself, status 0, after $took ms"
