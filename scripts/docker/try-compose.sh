#!/usr/bin/env bash
# Runs the server of compose.yaml with Docker, as it is and opened by deploy/compose/open.yaml, and holds both to what they say. Prometheus and Grafana are checked as configuration only.
#
#   scripts/docker/try-compose.sh
#
# Needs the image (scripts/docker/build.sh), docker compose (COMPOSE, `docker-compose` for instance), openssl, and a build (npm run build).
set -euo pipefail
cd "$(dirname "$0")/../.."
read -ra compose <<<"${COMPOSE:-docker compose}"
docker=${DOCKER:-docker}
project=albert-try
secrets=secrets
[ ! -e $secrets ] || { echo "try-compose: $secrets/ is there already; it would be replaced" >&2; exit 1; }
closed() { "${compose[@]}" -p $project -f compose.yaml "$@"; }
opened() { "${compose[@]}" -p $project -f compose.yaml -f deploy/compose/open.yaml "$@"; }
cleanup() { opened down --volumes --timeout 30 >/dev/null 2>&1 || true; rm -rf "$secrets"; }
trap cleanup EXIT
fail() { echo "try-compose: $1" >&2; closed logs albert 2>&1 | tail -20 >&2; exit 1; }
healthy() {
  for _ in $(seq 90); do
    [ "$("$docker" inspect --format '{{.State.Health.Status}}' "$("$1" ps -q albert)")" = healthy ] && return
    sleep 1
  done
  fail "it never was healthy"
}
says() { # NAME WHAT COMMAND...: what a command says, right or wrong, must hold the text.
  local name=$1 what=$2 said
  shift 2
  said=$("$@" 2>&1) || true
  grep -q "$what" <<<"$said" || fail "$name: $said"
  echo "$name: $(grep -m1 "$what" <<<"$said" | sed 's/^ *//' | cut -c1-200)"
}
text="A gripping, honest film."
outside=$(hostname -I | cut -d' ' -f1)

closed config >/dev/null
opened config >/dev/null
echo "compose.yaml, and with deploy/compose/open.yaml: valid"
closed up --detach --no-deps albert >/dev/null 2>&1
healthy closed
says "on 127.0.0.1" "positive" bin/albert classify --server 127.0.0.1:50051 "$text"
says "from other machines, $outside" "NO_SERVER\|did not answer" bin/albert health --server "$outside:50051"
says "Prometheus' target" "albert_build_info\|process_start_time_seconds" "$docker" run --rm --network ${project}_default --entrypoint node "$("$docker" inspect --format '{{.Image}}' "$(closed ps -q albert)")" \
  -e 'fetch("http://albert:9464/metrics").then((reply) => reply.text()).then(console.log)'
began=$(date +%s)
closed stop albert >/dev/null 2>&1
echo "stopped after $(($(date +%s) - began)) s, status $("$docker" inspect --format '{{.State.ExitCode}}' "$(closed ps -aq albert)")"

mkdir -m 755 $secrets
says "opened without the files" "TLS cannot be used" opened run --rm --no-deps -T albert
says "opened without tokens" "give TLS" opened run --rm --no-deps -T -e ALBERT_AUTH_TOKENS_FILE= albert
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=albert -addext "subjectAltName=DNS:albert,DNS:localhost" \
  -keyout $secrets/tls.key -out $secrets/tls.crt 2>/dev/null
cp $secrets/tls.crt $secrets/ca.crt
bin/albert tokens create --file $secrets/tokens.json --name asks --scope infer >$secrets/token 2>/dev/null
bin/albert tokens create --file $secrets/tokens.json --name scrapes --scope read >$secrets/scraper-token 2>/dev/null
chmod 644 $secrets/*
opened up --detach --no-deps albert >/dev/null 2>&1
healthy opened
ask() { bin/albert classify --server "$outside:50443" --ca $secrets/ca.crt --server-name albert "$@" "$text"; }
says "opened, with a token" "positive" ask --token-file $secrets/token
says "opened, without a token" "CREDENTIALS_REFUSED\|UNAUTHENTICATED" ask
says "opened, in plain text" "did not answer" bin/albert health --server "$outside:50443"
