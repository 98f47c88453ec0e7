#!/usr/bin/env bash
# Stops a container with `docker stop` while k6 sends it requests, and fails when one that it had taken up is lost or when it had to be
# killed. `scripts/docker/stop-under-load.sh IMAGE`; GRACE is docker's own (10 s) unless given, RATE requests a second (50).
set -euo pipefail
cd "$(dirname "$0")/../.."

image=${1:?usage: scripts/docker/stop-under-load.sh IMAGE}
docker=${DOCKER:-docker}
grace=${GRACE:-10}
rate=${RATE:-50}
out=$(mktemp -d)
load=
container=$("$docker" run --detach --read-only --tmpfs /tmp --user 65532 --memory 2g "$image")
trap 'kill $load 2>/dev/null || true; "$docker" rm --force "$container" >/dev/null; rm -rf "$out"' EXIT
fail() { echo "stop-under-load: $1" >&2; "$docker" logs "$container" 2>&1 | tail -20 >&2; exit 1; }

# The container itself, not a published port: Docker's proxy of that accepts connections that no server has.
address=$("$docker" inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$container"):50051
for _ in $(seq 90); do "$docker" exec "$container" albert health >/dev/null 2>&1 && break; sleep 1; done
"$docker" exec "$container" albert health >/dev/null || fail "it never was healthy"

# Requests go on while it stops and after it has: what no server takes up is counted apart, and is nobody's loss.
k6 run --quiet -e ADDRESS="$address" -e OUT="$out" -e RATE="$rate" -e DURATION=25s -e BOUND_FACTOR=1000 loadtest/classify.js >"$out/k6.log" 2>&1 &
load=$!
sleep 8
began=$(date +%s%N)
"$docker" stop --time "$grace" "$container" >/dev/null
took=$((($(date +%s%N) - began) / 1000000))
status=$("$docker" inspect --format '{{.State.ExitCode}} {{.State.OOMKilled}}' "$container")
wait $load || true
load=
[ -f "$out/classify.json" ] || { cat "$out/k6.log" >&2; fail "k6 left no summary"; }
[ "$status" = "0 false" ] || fail "it ended with $status (exit status, out of memory) after $took ms"
echo "docker stop --time $grace at $rate requests a second: ended by itself, status 0, after $took ms"
node -e '
  const { metrics } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
  const count = (name) => metrics[name]?.count ?? 0;
  console.log(`${count("albert_answered")} answered, ${count("albert_failed")} lost, ${count("albert_turned_away")} attempts refused before they began, most of them after the end`);
  process.exit(count("albert_failed") === 0 && count("albert_answered") > 0 && count("albert_turned_away") > 0 ? 0 : 1);
' "$out/classify.json" || { grep -m5 status "$out/k6.log" >&2; fail "requests were lost"; }
