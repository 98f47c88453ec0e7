{{- define "albert.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "albert.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "albert.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "albert.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "albert.selector" -}}
app.kubernetes.io/name: {{ include "albert.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "albert.labels" -}}
{{ include "albert.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end -}}

{{- define "albert.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "albert.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "albert.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{/* A setting that was given, else its default: (dict "root" $ "key" "server.drain_delay_ms"). */}}
{{- define "albert.setting" -}}
{{- $parts := splitn "." 2 .key -}}
{{- $given := get (get .root.Values.settings $parts._0 | default dict) $parts._1 -}}
{{- if kindIs "invalid" $given | or (eq (toString $given) "") -}}
{{- range (.root.Files.Get "files/settings.json" | fromJsonArray) -}}
{{- if eq .key $.key -}}{{ include "albert.text" .default }}{{- end -}}
{{- end -}}
{{- else -}}
{{- include "albert.text" $given -}}
{{- end -}}
{{- end -}}

{{/* A value as the environment holds it: whole numbers without an exponent, lists separated by commas. */}}
{{- define "albert.text" -}}
{{- if kindIs "slice" . -}}{{ join "," . }}
{{- else if kindIs "float64" . -}}{{ if eq (floor .) . }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- else -}}{{ toString . }}
{{- end -}}
{{- end -}}

{{/* Settings of one role as environment: (dict "root" $ "role" "inference"). Settings that the role does not use would stop the server. */}}
{{- define "albert.settings" -}}
{{- $root := .root -}}
{{- $role := .role -}}
{{- range ($root.Files.Get "files/settings.json" | fromJsonArray) -}}
{{- $parts := splitn "." 2 .key -}}
{{- $group := get $root.Values.settings $parts._0 | default dict -}}
{{- if hasKey $group $parts._1 -}}
{{- if or (not .roles) (has $role .roles) }}
{{ .environment }}: {{ include "albert.text" (get $group $parts._1) | quote }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What draining may take at most, as the server bounds it: delay and calls in progress; and 5 s for the process to end. */}}
{{- define "albert.graceSeconds" -}}
{{- if gt (int .Values.terminationGracePeriodSeconds.override) 0 -}}
{{ int .Values.terminationGracePeriodSeconds.override }}
{{- else -}}
{{- $delay := include "albert.setting" (dict "root" . "key" "server.drain_delay_ms") | int64 -}}
{{- $calls := include "albert.setting" (dict "root" . "key" "server.drain_timeout_ms") | int64 -}}
{{ div (add $delay $calls 5999) 1000 }}
{{- end -}}
{{- end -}}

{{/* s3://bucket/prefix?endpoint=...&region=... */}}
{{- define "albert.storeLocation" -}}
{{- if eq .Values.store.kind "s3" -}}
{{- $s3 := .Values.store.s3 -}}
{{- $query := list -}}
{{- if $s3.endpoint -}}{{- $query = append $query (printf "endpoint=%s" ($s3.endpoint | urlquery)) -}}{{- end -}}
{{- if $s3.region -}}{{- $query = append $query (printf "region=%s" ($s3.region | urlquery)) -}}{{- end -}}
s3://{{ required "store.s3.bucket is needed where store.kind is s3" $s3.bucket }}{{ if $s3.prefix }}/{{ $s3.prefix }}{{ end }}{{ if $query }}?{{ join "&" $query }}{{ end }}
{{- else if eq .Values.store.kind "volume" -}}
/data
{{- end -}}
{{- end -}}

{{- define "albert.storeClaim" -}}
{{ .Values.store.volume.existingClaim | default (printf "%s-store" (include "albert.fullname" .)) }}
{{- end -}}

{{/* Mounts and volumes of the Secrets with certificates and tokens. */}}
{{- define "albert.secretMounts" -}}
{{- if .Values.tls.secret }}
- { name: tls, mountPath: /etc/albert/tls, readOnly: true }
{{- end }}
{{- if .Values.tokens.secret }}
- { name: tokens, mountPath: /etc/albert/tokens, readOnly: true }
{{- end }}
{{- end -}}
{{- define "albert.secretVolumes" -}}
{{- if .Values.tls.secret }}
- { name: tls, secret: { secretName: {{ .Values.tls.secret }}, defaultMode: 0440 } }
{{- end }}
{{- if .Values.tokens.secret }}
- { name: tokens, secret: { secretName: {{ .Values.tokens.secret }}, defaultMode: 0440 } }
{{- end }}
{{- end -}}

{{/* "true" where the servers know their callers: by a file of tokens, or by an identity provider. */}}
{{- define "albert.asksWhoCalls" -}}
{{- if or .Values.tokens.secret (dig "auth" "jwks" "" .Values.settings) -}}true{{- end -}}
{{- end -}}

{{/* "true" where jobs run in pods of their own. */}}
{{- define "albert.jobsInPods" -}}
{{- if and (eq .Values.jobs.runner "kubernetes") (or .Values.training.enabled (eq .Values.inference.role "all")) -}}true{{- end -}}
{{- end -}}

{{/* What the names of Jobs begin with: the id of a job must have room behind it. */}}
{{- define "albert.jobsName" -}}
{{- include "albert.fullname" . | trunc 32 | trimSuffix "-" -}}
{{- end -}}

{{/* Combinations that cannot work are refused here, with what to change. */}}
{{- define "albert.check" -}}
{{- $v := .Values -}}
{{- if not (or $v.trustNetwork (and $v.tls.secret (include "albert.asksWhoCalls" .))) -}}{{- fail "other machines can reach the pods: give TLS (tls.secret) and tokens (tokens.secret or settings.auth.jwks), or say trustNetwork=true if a proxy or network checks who calls" -}}{{- end -}}
{{- if and (ne $v.tls.clientCertificates "none") (not $v.tls.secret) -}}{{- fail "tls.clientCertificates needs tls.secret, with ca.crt in it" -}}{{- end -}}
{{- if and $v.training.enabled (eq $v.store.kind "none") -}}{{- fail "training.enabled needs a store: set store.kind to volume or s3" -}}{{- end -}}
{{- if eq $v.inference.role "all" -}}
{{- if eq $v.store.kind "none" -}}{{- fail "inference.role all trains, which needs a store: set store.kind to volume or s3" -}}{{- end -}}
{{- if $v.training.enabled -}}{{- fail "inference.role all trains already: set training.enabled to false" -}}{{- end -}}
{{- if or (gt (int $v.inference.replicas) 1) (ne $v.autoscaling.kind "none") -}}{{- fail "inference.role all works on jobs, which one process does: use one replica and autoscaling.kind none, or training.enabled with role inference" -}}{{- end -}}
{{- end -}}
{{- if eq $v.jobs.runner "kubernetes" -}}
{{- if not (include "albert.jobsInPods" .) -}}{{- fail "jobs.runner kubernetes needs a pod that keeps the jobs: set training.enabled to true, or inference.role to all" -}}{{- end -}}
{{- if eq (dig "jobs" "queue" "shared" $v.settings) "own" -}}{{- fail "jobs.runner kubernetes shares the queue of the store: leave settings.jobs.queue out" -}}{{- end -}}
{{- end -}}
{{- if and $v.monitoring.podMonitor $v.monitoring.serviceMonitor -}}{{- fail "monitoring.podMonitor and monitoring.serviceMonitor would scrape everything twice: choose one" -}}{{- end -}}
{{- end -}}
