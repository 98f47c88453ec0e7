#!/usr/bin/env bash
# Makes what the chart's secured form needs, for a trial: an authority, a certificate for the Service's names, two tokens (one for asking, one for administering) and the Secrets
# albert-tls and albert-tokens in a namespace. Called again with the same directory it keeps authority and tokens, and replaces the certificate.
#
#   scripts/kubernetes/make-secrets.sh NAMESPACE SERVICE DIRECTORY
#
# Needs kubectl with a KUBECONFIG, openssl, and a build (npm run build). Leaves ca.crt, tls.crt, tls.key, token and admin-token in the directory.
set -euo pipefail
namespace=$1 service=$2
out=$(mkdir -p "$3" && cd "$3" && pwd)
albert=$(cd "$(dirname "$0")/../.." && pwd)/bin/albert
umask 077

[ -f "$out/ca.key" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=albert trial" \
  -keyout "$out/ca.key" -out "$out/ca.crt" 2>/dev/null
name=$service.$namespace.svc
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" -keyout "$out/tls.key" -out "$out/tls.csr" 2>/dev/null
openssl x509 -req -days 10 -in "$out/tls.csr" -CA "$out/ca.crt" -CAkey "$out/ca.key" -CAcreateserial -out "$out/tls.crt" \
  -extfile <(printf 'subjectAltName=DNS:%s,DNS:%s.cluster.local,DNS:%s' "$name" "$name" "$service") 2>/dev/null
if [ ! -f "$out/tokens.json" ]; then
  "$albert" tokens create --file "$out/tokens.json" --name asks --scope infer >"$out/token"
  "$albert" tokens create --file "$out/tokens.json" --name administers --scope infer,read,data,train,promote,admin >"$out/admin-token"
fi
apply() { kubectl -n "$namespace" create secret generic "$@" --dry-run=client -o yaml | kubectl apply -f - >/dev/null; }
apply albert-tls --from-file="$out/tls.crt" --from-file="$out/tls.key" --from-file="$out/ca.crt"
apply albert-tokens --from-file="$out/tokens.json"
openssl x509 -in "$out/tls.crt" -noout -serial
