#!/usr/bin/env bash
# Tries the chart on a cluster, under load: installs it, tests it, upgrades it, deletes a pod, changes versions; ends with 1 when a request was lost.
#
#   scripts/kubernetes/try-chart.sh [OUT_DIRECTORY]
#
# Needs helm, kubectl with a KUBECONFIG, k6, and a build (npm run build). IMAGE is repository:tag as the nodes have it, VALUES a file of more
# values, ADDRESS host:port of the Service as this machine reaches it (its ClusterIP unless given), RATE requests a second. SECURED=1 installs with TLS and tokens (openssl is
# needed, and curl), tries who may call, and replaces the certificates under load too. SWAPS is how often versions change.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(mkdir -p "${1:-.cache/try-chart}" && cd "${1:-.cache/try-chart}" && pwd)
image=${IMAGE:-albert-serve:0.1.0}
rate=${RATE:-20}
namespace=albert-try
release=albert
secured=${SECURED:-}
values=(--set "image.repository=${image%:*},image.tag=${image##*:},fullnameOverride=albert,inference.replicas=2" ${VALUES:+-f "$VALUES"})
security=()
failures=0

say() { printf '\n== %s\n' "$*"; }
cleanup() {
  kill $(jobs -p) 2>/dev/null || true
  helm -n $namespace uninstall $release --wait >/dev/null 2>&1 || true
  kubectl delete namespace $namespace --wait=false >/dev/null 2>&1 || true
}
trap cleanup EXIT

# load NAME SECONDS COMMAND...: runs the command under load, which lasts so long, and judges the summary.
load() {
  local name=$1 seconds=$2
  shift 2
  k6 run --quiet -e ADDRESS="$address" -e OUT="$out" -e RATE="$rate" -e DURATION="${seconds}s" -e BOUND_FACTOR=1000 "${security[@]}" loadtest/classify.js >"$out/$name.log" 2>&1 &
  local k6=$!
  sleep 5
  "$@"
  wait $k6 || true
  mv "$out/classify.json" "$out/$name.json"
  rm -f "$out/classify.html"
  node -e '
    const { metrics, seconds } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
    const count = (name) => metrics[name]?.count ?? 0;
    const { med, "p(99)": p99, max } = metrics.albert_answer_ms;
    console.log(`${count("albert_answered")} answered, ${count("albert_failed")} lost, ${count("albert_unserved")} never taken up, ${count("albert_refused")} refused, ${count("albert_turned_away")} sent again; p50 ${med} ms, p99 ${p99} ms, max ${max} ms; ${seconds} s`);
    process.exit(count("albert_failed") + count("albert_unserved") === 0 && count("albert_answered") > 0 ? 0 : 1);
  ' "$out/$name.json" || failures=$((failures + 1))
}

kubectl create namespace $namespace
kubectl label namespace $namespace pod-security.kubernetes.io/enforce=restricted
if [ -n "$secured" ]; then
  say "forms that are refused"
  for half in "image.tag=any" "tls.secret=albert-tls" "tokens.secret=albert-tokens"; do
    if refusal=$(helm -n $namespace install $release helm/albert-serve "${values[@]}" --set "$half" 2>&1); then
      echo "$half: not refused"
      exit 1
    fi
    echo "$half: other${refusal##*: other}"
  done
  scripts/kubernetes/make-secrets.sh $namespace albert "$out"
  values+=(--set "tls.secret=albert-tls,tokens.secret=albert-tokens,tls.clientCertificates=${CLIENT_CERTIFICATES:-optional}")
  security=(-e CA="$out/ca.crt" -e SERVER_NAME=albert.$namespace.svc -e TOKEN="$(cat "$out/token")")
  export ALBERT_CLIENT_CA=$out/ca.crt ALBERT_CLIENT_SERVER_NAME=albert.$namespace.svc
else
  values+=(--set trustNetwork=true)
fi

say "install"
began=$(date +%s)
helm -n $namespace install $release helm/albert-serve "${values[@]}" --wait --timeout 10m >"$out/install.log"
echo "ready after $(($(date +%s) - began)) s"
kubectl -n $namespace get pods -o wide
address=${ADDRESS:-$(kubectl -n $namespace get service albert -o 'jsonpath={.spec.clusterIP}'):50051}

say "helm test"
helm -n $namespace test $release --logs --timeout 5m

if [ -n "$secured" ]; then
  ask() { bin/albert classify --server "$address" "$@" "A gripping, honest film." 2>&1 | head -1 || true; }
  must() { # WHAT TEXT SAID
    echo "$1: $3"
    grep -q "$2" <<<"$3" || failures=$((failures + 1))
  }
  say "who may call"
  echo "albert_f15f5bb22064_iMD8jJTjexd5fgrNYq5dVw2SRuoX16twsMw4EuCRe8E" >"$out/unknown-token"
  must "the right token" positive "$(ask --token-file "$out/token")"
  must "no token" UNAUTHENTICATED "$(ask)"
  must "an unknown token" UNAUTHENTICATED "$(ask --token-file "$out/unknown-token")"
  must "plain text" "did not answer" "$(env -u ALBERT_CLIENT_CA bin/albert health --server "$address" 2>&1 || true)"

  serials() {
    for ip in $(kubectl -n $namespace get pods -l app.kubernetes.io/component=inference -o 'jsonpath={.items[*].status.podIP}'); do
      openssl s_client -connect "$ip:50051" -alpn h2 </dev/null 2>/dev/null | openssl x509 -noout -serial
    done | sort | uniq -c | sed 's/^ *//' | paste -sd ';'
  }
  replace_certificate() {
    local new began
    echo "served: $(serials)"
    began=$(date +%s)
    new=$(scripts/kubernetes/make-secrets.sh $namespace albert "$out")
    until [ "$(serials)" = "2 $new" ]; do
      [ $(($(date +%s) - began)) -lt "${ROTATION_SECONDS:-170}" ] || { echo "not taken: $(serials)"; failures=$((failures + 1)); return; }
      sleep 2
    done
    echo "served after $(($(date +%s) - began)) s: $(serials)"
    kubectl -n $namespace get pods -l app.kubernetes.io/component=inference -o 'jsonpath={range .items[*]}{.metadata.name}: {.status.containerStatuses[0].restartCount} restarts{"\n"}{end}'
  }
  say "the certificate in the Secret is replaced under load"
  load rotation "${ROTATION_SECONDS:-170}" replace_certificate
  must "a new connection, the right token" positive "$(ask --token-file "$out/token")"
fi

upgrade() { helm -n $namespace upgrade $release helm/albert-serve "${values[@]}" --set settings.log.slow_request_ms=2000 --wait --timeout 10m >"$out/upgrade.log"; }
say "helm upgrade (rolling) under load"
load upgrade "${UPGRADE_SECONDS:-90}" upgrade

delete_pod() { kubectl -n $namespace delete pod "$(kubectl -n $namespace get pods -l app.kubernetes.io/component=inference -o 'jsonpath={.items[0].metadata.name}')"; }
say "kubectl delete pod under load"
load delete-pod "${DELETE_SECONDS:-60}" delete_pod
kubectl -n $namespace rollout status deployment/albert-inference --timeout 5m

if kubectl -n $namespace get statefulset albert-training >/dev/null 2>&1; then
  say "promotion under load: the training pod changes the store, the replicas follow"
  SECURED=$secured RATE=$rate scripts/kubernetes/promote-under-load.sh $namespace "$address" "$out" || failures=$((failures + 1))
fi

say "the end"
kubectl -n $namespace get pods,events --sort-by=.metadata.creationTimestamp >"$out/events.log" 2>&1 || true
[ $failures = 0 ] && echo "no request was lost" || { echo "$failures of the steps lost requests"; exit 1; }
