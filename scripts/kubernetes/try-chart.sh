#!/usr/bin/env bash
# Tries the chart on a cluster, under load: installs it, tests it, upgrades it, deletes a pod, changes versions; ends with 1 when a request was lost.
#
#   scripts/kubernetes/try-chart.sh [OUT_DIRECTORY]
#
# Needs helm, kubectl with a KUBECONFIG, k6, and a build (npm run build). IMAGE is repository:tag as the nodes have it, VALUES a file of more
# values, ADDRESS host:port of the Service as this machine reaches it (its ClusterIP unless given), RATE requests a second.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(mkdir -p "${1:-.cache/try-chart}" && cd "${1:-.cache/try-chart}" && pwd)
image=${IMAGE:-albert-serve:0.1.0}
rate=${RATE:-20}
namespace=albert-try
release=albert
values=(--set "image.repository=${image%:*},image.tag=${image##*:},fullnameOverride=albert,inference.replicas=2" ${VALUES:+-f "$VALUES"})
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
  k6 run --quiet -e ADDRESS="$address" -e OUT="$out" -e RATE="$rate" -e DURATION="${seconds}s" -e BOUND_FACTOR=1000 loadtest/classify.js >"$out/$name.log" 2>&1 &
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

say "install"
kubectl create namespace $namespace
kubectl label namespace $namespace pod-security.kubernetes.io/enforce=restricted
began=$(date +%s)
helm -n $namespace install $release helm/albert-serve "${values[@]}" --wait --timeout 10m >"$out/install.log"
echo "ready after $(($(date +%s) - began)) s"
kubectl -n $namespace get pods -o wide
address=${ADDRESS:-$(kubectl -n $namespace get service albert -o 'jsonpath={.spec.clusterIP}'):50051}

say "helm test"
helm -n $namespace test $release --logs --timeout 5m

upgrade() { helm -n $namespace upgrade $release helm/albert-serve "${values[@]}" --set settings.log.slow_request_ms=2000 --wait --timeout 10m >"$out/upgrade.log"; }
say "helm upgrade (rolling) under load"
load upgrade "${UPGRADE_SECONDS:-90}" upgrade

delete_pod() { kubectl -n $namespace delete pod "$(kubectl -n $namespace get pods -l app.kubernetes.io/component=inference -o 'jsonpath={.items[0].metadata.name}')"; }
say "kubectl delete pod under load"
load delete-pod "${DELETE_SECONDS:-60}" delete_pod
kubectl -n $namespace rollout status deployment/albert-inference --timeout 5m

if kubectl -n $namespace get statefulset albert-training >/dev/null 2>&1; then
  say "promotion under load: the training pod changes the store, the replicas follow"
  kubectl -n $namespace port-forward pod/albert-training-0 "${ADMIN_PORT:=50152}:50052" >/dev/null &
  for _ in $(seq 30); do (exec 3<>"/dev/tcp/127.0.0.1/$ADMIN_PORT") 2>/dev/null && break; sleep 1; done
  loadtest/second-version.sh sentiment "127.0.0.1:$ADMIN_PORT" >"$out/second-version.log" 2>&1
  k6 run --quiet -e ADDRESS="$address" -e ADMIN="127.0.0.1:$ADMIN_PORT" -e OUT="$out" -e RATE="$rate" -e SWAPS="${SWAPS:-4}" -e PAUSE=5 -e BOUND_FACTOR=1000 \
    loadtest/swap.js || failures=$((failures + 1))
  echo "champion: $(bin/albert models list --admin "127.0.0.1:$ADMIN_PORT" | grep -m1 "^sentiment .*champion" || true)"
  for pod in $(kubectl -n $namespace get pods -l app.kubernetes.io/component=inference -o name); do
    metrics=$(kubectl get --raw "/api/v1/namespaces/$namespace/pods/${pod#pod/}:9464/proxy/metrics")
    echo "$pod: $(grep '^albert_model_state{alias="sentiment".*state="serving"' <<<"$metrics" || true)"
  done
fi

say "the end"
kubectl -n $namespace get pods,events --sort-by=.metadata.creationTimestamp >"$out/events.log" 2>&1 || true
[ $failures = 0 ] && echo "no request was lost" || { echo "$failures of the steps lost requests"; exit 1; }
