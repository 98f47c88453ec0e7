#!/usr/bin/env bash
# Stops a container with `docker stop` while k6 sends it requests, and fails when one that it had taken up is lost or when it had to be
# killed. `scripts/docker/stop-under-load.sh IMAGE`; GRACE is docker's own (10 s) unless given, RATE requests a second (50). THROUGH says which way the requests
# go: `container` (its own address, unless given), or a published port, by `nat` (an address of this machine) or `proxy` (127.0.0.1, where Docker's proxy passes them on).
set -euo pipefail
cd "$(dirname "$0")/../.."

image=${1:?usage: scripts/docker/stop-under-load.sh IMAGE}
docker=${DOCKER:-docker}
grace=${GRACE:-10}
rate=${RATE:-50}
out=$(mktemp -d)
load=
through=${THROUGH:-container}
publish=(--publish 50051)
[ "$through" != container ] || publish=()
container=$("$docker" run --detach "${publish[@]}" --read-only --tmpfs /tmp --user 65532 --memory 2g "$image")
trap 'kill $load 2>/dev/null || true; "$docker" rm --force "$container" >/dev/null; rm -rf "$out"' EXIT
fail() { echo "stop-under-load: $1" >&2; "$docker" logs "$container" 2>&1 | tail -20 >&2; exit 1; }

published() { "$docker" port "$container" 50051/tcp | sed -nE 's/^0\.0\.0\.0:([0-9]+)$/\1/p'; }
case $through in
  container) address=$("$docker" inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$container"):50051 ;;
  nat) address=$(hostname -I | cut -d' ' -f1):$(published) ;;
  proxy) address=127.0.0.1:$(published) ;;
  *) fail "THROUGH is container, nat or proxy, not $through" ;;
esac
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
echo "docker stop --time $grace at $rate requests a second through $address ($through): ended by itself, status 0, after $took ms"
node -e '
  const { metrics } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
  const count = (name) => metrics[name]?.count ?? 0;
  console.log(`${count("albert_answered")} answered, ${count("albert_failed")} lost, ${count("albert_turned_away")} attempts refused before they began, most of them after the end`);
  process.exit(count("albert_failed") === 0 && count("albert_answered") > 0 && count("albert_turned_away") > 0 ? 0 : 1);
' "$out/classify.json" || { grep -o 'status .*' "$out/k6.log" | sed 's/[0-9.]*:[0-9]*/ADDRESS/g' | sort | uniq -c | sort -rn | head -5 >&2; fail "requests were lost"; }
