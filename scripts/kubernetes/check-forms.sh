#!/usr/bin/env bash
# Lets a real API server judge every form of the chart and the KServe example: server-side apply as a dry run, in a namespace that enforces the
# restricted Pod Security Standard. A refusal, or a warning, ends it with 1.
#
#   scripts/kubernetes/check-forms.sh [CRD_FILE_OR_DIRECTORY]...
#
# Needs helm, and kubectl with a KUBECONFIG. The definitions given are applied first: those of KEDA's ScaledObject, the Prometheus operator's
# PodMonitor, ServiceMonitor and PrometheusRule, and KServe's ServingRuntime and InferenceService.
set -euo pipefail
cd "$(dirname "$0")/../.."
namespace=albert-forms
version=$(kubectl version -o json | sed -n '/serverVersion/,$s/.*"gitVersion": "\(v[^"]*\)".*/\1/p')
echo "API server $version"

for definitions in "$@"; do kubectl apply --server-side --force-conflicts -f "$definitions" >/dev/null; done
# kubectl stumbles over a definition that has no conditions yet, as one has none in its first moment.
established() { kubectl wait --for=condition=Established crd --all --timeout=60s >/dev/null; }
[ $# = 0 ] || established 2>/dev/null || { sleep 5 && established; }
kubectl create namespace $namespace >/dev/null
trap 'kubectl delete namespace $namespace --wait=false >/dev/null' EXIT
kubectl label namespace $namespace pod-security.kubernetes.io/{enforce,warn}=restricted >/dev/null

failures=0
judge() {
  local name=$1 said
  if said=$(kubectl -n $namespace apply --server-side --dry-run=server -f - 2>&1) && ! grep -q '^Warning' <<<"$said"; then
    echo "$name: $(wc -l <<<"$said") objects accepted"
  else
    echo "$name: refused"
    grep -v 'serverside-applied' <<<"$said"
    failures=$((failures + 1))
  fi
}
for values in helm/albert-serve/ci/*-values.yaml; do
  judge "$(basename "$values" -values.yaml)" \
    < <(helm template albert helm/albert-serve -n $namespace --kube-version "$version" -f "$values")
done
for golden in helm/golden/*.yaml; do judge "$golden" <"$golden"; done
for example in examples/kserve/*.yaml; do judge "$example" <"$example"; done
[ $failures = 0 ]
