#!/usr/bin/env bash
# Tries jobs in pods on a cluster: installs the chart with jobs.runner kubernetes, has a fine-tune run as a pod and publish, cancels one, kills the pod of one, restarts the server that
# keeps the jobs, runs a sweep; ends with 1 when something did not come out as it must.
#
#   scripts/kubernetes/try-jobs.sh [OUT_DIRECTORY]
#
# Needs helm, kubectl with a KUBECONFIG, and a build (npm run build). IMAGE is repository:tag as the nodes have it, VALUES a file of more values (a class of volumes that all pods may
# mount, limits), ADMIN_PORT a port of this machine to forward from, STEPS how many a fine-tune takes. KUEUE names a LocalQueue of Kueue in the namespace albert-try-jobs, and KEEP=1 leaves everything where it is.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(mkdir -p "${1:-.cache/try-jobs}" && cd "${1:-.cache/try-jobs}" && pwd)
image=${IMAGE:-albert-serve:0.1.0}
steps=${STEPS:-30}
namespace=albert-try-jobs
release=albert
export ALBERT_CLIENT_ADMIN=127.0.0.1:${ADMIN_PORT:-50252}
failures=0
forward=

say() { printf '\n== %s\n' "$*"; }
cleanup() {
  [ -z "$forward" ] || kill "$forward" 2>/dev/null || true
  [ -z "${KEEP:-}" ] || return
  helm -n $namespace uninstall $release --wait >/dev/null 2>&1 || true
  kubectl delete namespace $namespace --wait=false >/dev/null 2>&1 || true
}
trap cleanup EXIT
k() { kubectl -n $namespace "$@"; }
field() { node -e 'const value = JSON.parse(require("node:fs").readFileSync(0, "utf8")); console.log(eval(`value${process.argv[1]}`) ?? "")' "$1"; }
# must WHAT COMMAND...: says what came out, and counts what did not.
must() {
  local what=$1
  shift
  if "$@"; then echo "as it must: $what"; else
    echo "NOT AS IT MUST: $what"
    failures=$((failures + 1))
  fi
}
# until_ SECONDS COMMAND...: waits until the command succeeds.
until_() {
  local end=$(($(date +%s) + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s)" -lt "$end" ] || return 1
    sleep 1
  done
}
connect() {
  if [ -n "$forward" ]; then
    kill "$forward" 2>/dev/null || true
    wait "$forward" || true # it has the port until then
  fi
  k wait --for=condition=Ready pod/albert-training-0 --timeout=300s >/dev/null
  kubectl -n $namespace port-forward pod/albert-training-0 "${ALBERT_CLIENT_ADMIN#*:}:50052" >"$out/forward.log" 2>&1 &
  forward=$!
  until_ 30 bin/albert jobs list || { echo "no way to the pod: $(cat "$out/forward.log")"; exit 1; }
}
create() { bin/albert jobs create --model sentiment --task classification --train "$data" --eval "$data" --promote manual --json "$@" | field .id; }
fine_tune() { create --set train_step="$1" --set warmup_step=5 --set train_batch_size=8 --set save_checkpoints_steps=10 --set learning_rate=1e-5; }
is() { bin/albert jobs get "$1" --json | field .job.state | grep -qi "_$2\$"; }
made() { bin/albert jobs get "$1" --json | field .job.modelVersion; }
digest() { bin/albert models get "${1%@*}" "${1#*@}" --json | field .version.digest; }
told() { bin/albert jobs events "$1" | grep -q "$2"; }
pods_of() { k get pods -l "albert-serve/job=$1" --sort-by=.metadata.creationTimestamp -o 'jsonpath={range .items[*]}{.metadata.name} {.status.phase} {.status.containerStatuses[0].state.terminated.exitCode}{"\n"}{end}'; }
no_job() { [ -z "$(k get jobs -l "albert-serve/job=$1" -o name)" ]; }
seconds() { echo "$1 after $(($(date +%s) - began)) s"; }
logs() { bin/albert jobs events "$1" | grep -E ' (pod|claimed|released|state_changed|published|resumed) ' || true; }

kubectl create namespace $namespace
kubectl label namespace $namespace pod-security.kubernetes.io/enforce=restricted
say "install"
began=$(date +%s)
helm -n $namespace install $release helm/albert-serve --wait --timeout 10m \
  --set "image.repository=${image%:*},image.tag=${image##*:},fullnameOverride=albert,trustNetwork=true" \
  --set "store.kind=volume,training.enabled=true,jobs.runner=kubernetes,jobs.kueueQueue=${KUEUE:-}" ${VALUES:+-f "$VALUES"} >"$out/install.log"
seconds ready
connect
must "the pod that keeps the jobs may create Jobs and nothing besides, and no other has a token" bash -c "
  who=system:serviceaccount:$namespace:albert
  [ \"\$(kubectl auth can-i create jobs.batch -n $namespace --as \$who)\" = yes ] &&
  [ \"\$(kubectl auth can-i create pods -n $namespace --as \$who)\" = no ] &&
  [ \"\$(kubectl auth can-i get secrets -n $namespace --as \$who)\" = no ]"
data=$(bin/albert datasets upload --json loadtest/data/reviews.csv | field .digest)

say "a fine-tune runs as a pod, and publishes"
began=$(date +%s)
whole=$(fine_tune "$steps")
must "it succeeds" until_ 600 is "$whole" succeeded
seconds "the job succeeded"
version=$(made "$whole")
must "it published $version" [ -n "$version" ]
must "its Job completes" k wait --for=condition=Complete "job/albert-$whole" --timeout=60s
pods_of "$whole"
logs "$whole"

say "a cancelled one ends, and so does its pod"
endless=$(fine_tune 100000)
must "it takes steps" until_ 300 told "$endless" ' step_metrics '
began=$(date +%s)
bin/albert jobs cancel "$endless" >/dev/null
must "it is cancelled" until_ 120 is "$endless" cancelled
must "its Job is gone" until_ 60 no_job "$endless"
seconds "job and Job were gone"

say "one whose pod is killed goes on in another, to the same bytes"
killed=$(fine_tune "$steps")
must "it keeps a checkpoint" until_ 300 told "$killed" ' files_kept '
pod=$(pods_of "$killed" | tail -1 | cut -d' ' -f1)
began=$(date +%s)
k delete pod "$pod" --grace-period=0 --force >/dev/null 2>&1
must "it is taken from the pod that is gone" until_ 60 told "$killed" ' released '
seconds "its claim was ended"
must "another pod goes on" until_ 300 told "$killed" 'generation 2'
seconds "another pod had it"
must "it succeeds" until_ 600 is "$killed" succeeded
logs "$killed"
again=$(made "$killed")
must "$version and $again are the same bytes" [ "$(digest "$version")" = "$(digest "$again")" ]
digest "$again"

say "the server that keeps the jobs restarts meanwhile"
kept=$(fine_tune "$steps")
must "its pod has it" until_ 300 told "$kept" ' claimed '
k delete pod albert-training-0 --wait=true >/dev/null
connect
must "it succeeds in the one pod that it had" until_ 600 is "$kept" succeeded
pods_of "$kept"
must "there was one pod" [ "$(pods_of "$kept" | wc -l)" = 1 ]

say "a sweep runs a pod for each trial"
sweep=$(create --kind sweep --vary learning_rate=1e-5,1e-4 --method grid --set train_step=10 --set warmup_step=1 --set train_batch_size=8)
must "it succeeds" until_ 900 is "$sweep" succeeded
bin/albert jobs sweep "$sweep" || true
k get jobs

say "a job that is deleted takes its Job along"
bin/albert jobs delete "$whole" >/dev/null
must "its Job is gone" until_ 60 no_job "$whole"

say "$failures did not come out as they must"
[ $failures = 0 ]
