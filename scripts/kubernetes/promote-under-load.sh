#!/usr/bin/env bash
# Changes the version that serves, under load, in what try-chart.sh has installed: the training pod makes a second version and changes the store, the replicas
# follow. Ends with 1 when a request was lost or the replicas do not serve one version.
#
#   scripts/kubernetes/promote-under-load.sh NAMESPACE ADDRESS OUT_DIRECTORY
#
# ADDRESS is host:port of the inference Service. Needs kubectl, k6 and a build. SECURED=1: by TLS and tokens, with ca.crt, token and admin-token of make-secrets.sh
# in OUT_DIRECTORY (curl is needed then). RATE, SWAPS, ADMIN_PORT and METRICS_PORT (ports of this machine to forward from) may be given.
set -euo pipefail
namespace=${1:?usage: promote-under-load.sh NAMESPACE ADDRESS OUT_DIRECTORY} address=$2 out=$3
cd "$(dirname "$0")/../.."
: "${RATE:=20}" "${SWAPS:=4}" "${ADMIN_PORT:=50152}" "${METRICS_PORT:=50153}"
name=albert.$namespace.svc
k6_security=()
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

if [ -n "${SECURED:-}" ]; then
  # The certificate is the Service's; a forwarded port has another name.
  export ALBERT_CLIENT_CA=$out/ca.crt ALBERT_CLIENT_SERVER_NAME=$name ALBERT_TOKEN_FILE=$out/admin-token
  k6_security=(-e CA="$out/ca.crt" -e SERVER_NAME="$name" -e TOKEN="$(cat "$out/token")" -e ADMIN_TOKEN="$(cat "$out/admin-token")")
fi

# forward POD LOCAL REMOTE: forwards a port of this machine, and waits until it can be reached.
forward() {
  kubectl -n "$namespace" port-forward "$1" "$2:$3" >/dev/null &
  for _ in $(seq 30); do (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return; sleep 1; done
  echo "promote-under-load: $1 cannot be reached by port $2" >&2
  exit 1
}

# metrics POD: its page of metrics; scrapers need a token with the scope read where there are tokens.
metrics() {
  if [ -z "${SECURED:-}" ]; then
    kubectl get --raw "/api/v1/namespaces/$namespace/pods/$1:9464/proxy/metrics"
    return
  fi
  forward "pod/$1" "$METRICS_PORT" 9464
  local forwarded=$!
  (umask 077; printf 'authorization: Bearer %s\n' "$(cat "$out/admin-token")" >"$out/metrics-header")
  curl --silent --show-error --fail --cacert "$out/ca.crt" --connect-to "$name:9464:127.0.0.1:$METRICS_PORT" \
    --header @"$out/metrics-header" "https://$name:9464/metrics"
  kill "$forwarded"
  wait "$forwarded" 2>/dev/null || true
}

forward pod/albert-training-0 "$ADMIN_PORT" 50052
loadtest/second-version.sh sentiment "127.0.0.1:$ADMIN_PORT" >"$out/second-version.log" 2>&1 || { tail -3 "$out/second-version.log" >&2; exit 1; }
lost=0
k6 run --quiet -e ADDRESS="$address" -e ADMIN="127.0.0.1:$ADMIN_PORT" -e OUT="$out" -e RATE="$RATE" -e SWAPS="$SWAPS" -e PAUSE=5 -e BOUND_FACTOR=1000 \
  "${k6_security[@]}" loadtest/swap.js || lost=1
champion=$(bin/albert models list --admin "127.0.0.1:$ADMIN_PORT" | grep -m1 "^sentiment .*champion" || true)
echo "champion: $champion"
served=()
for pod in $(kubectl -n "$namespace" get pods -l app.kubernetes.io/component=inference -o name); do
  version=$(metrics "${pod#pod/}" | sed -n 's/^albert_model_state{alias="sentiment",version="\([^"]*\)",state="serving"} 1$/\1/p')
  echo "$pod serves version ${version:-none}"
  served+=("${version:-none}")
done
[ "$(printf '%s\n' "${served[@]}" | sort -u | wc -l)" = 1 ] && [ "${served[0]}" != none ] || { echo "the replicas do not serve one version"; exit 1; }
exit $lost
