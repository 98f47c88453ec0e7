{{/* The pod of a workload: (dict "root" $ "component" "inference" "values" .Values.inference "role" "inference"). */}}
{{- define "albert.pod" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $component := .component -}}
{{- $store := $root.Values.store -}}
{{- $scheme := ternary ", scheme: HTTPS" "" (ne $root.Values.tls.secret "") -}}
{{- $trains := or (eq .role "training") (eq .role "all") -}}
{{- $makesPods := and $trains (include "albert.jobsInPods" $root) -}}
metadata:
  labels:
    {{- include "albert.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
    {{- with $values.labels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    checksum/settings: {{ include (print $root.Template.BasePath "/configmap.yaml") $root | sha256sum }}
    {{- if $makesPods }}
    checksum/jobs: {{ include "albert.job" $root | sha256sum }}
    {{- end }}
    {{- with $values.annotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "albert.serviceAccountName" $root }}
  automountServiceAccountToken: {{ if $makesPods }}true{{ else }}false{{ end }}
  terminationGracePeriodSeconds: {{ include "albert.graceSeconds" $root }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- if $values.gpu.enabled }}
  {{- with $values.gpu.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: { type: RuntimeDefault }
  containers:
    - name: albert
      image: {{ include "albert.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [serve]
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      envFrom:
        - configMapRef: { name: {{ include "albert.fullname" $root }}-{{ $component }} }
        {{- if and (eq $store.kind "s3") $store.s3.credentialsSecret }}
        - secretRef: { name: {{ $store.s3.credentialsSecret }} }
        {{- end }}
      {{- with $values.env }}
      env: {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        {{- if ne .role "training" }}
        - { name: grpc, containerPort: 50051 }
        {{- end }}
        {{- if $root.Values.admin.expose }}
        - { name: grpc-admin, containerPort: 50052 }
        {{- end }}
        - { name: metrics, containerPort: 9464 }
      startupProbe:
        httpGet: { path: /healthz, port: metrics{{ $scheme }} }
        periodSeconds: 1
        timeoutSeconds: 5
        failureThreshold: 120
      livenessProbe:
        httpGet: { path: /healthz, port: metrics{{ $scheme }} }
        periodSeconds: 10
        timeoutSeconds: 10
        failureThreshold: 6
      readinessProbe:
        {{- if or (eq .role "training") $root.Values.tls.secret }}
        httpGet: { path: /readyz, port: metrics{{ $scheme }} }
        {{- else }}
        grpc: { port: 50051 }
        {{- end }}
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: 2
      resources:
        {{- $resources := deepCopy $values.resources }}
        {{- if $values.gpu.enabled }}
        {{- $resources = merge (dict "limits" (dict $values.gpu.resource (int $values.gpu.count))) $resources }}
        {{- end }}
        {{- toYaml $resources | nindent 8 }}
      volumeMounts:
        - { name: tmp, mountPath: /tmp }
        {{- with include "albert.secretMounts" $root | trim }}{{ . | nindent 8 }}{{ end }}
        {{- if eq $store.kind "volume" }}
        - { name: store, mountPath: /data }
        {{- else if eq $store.kind "s3" }}
        - { name: cache, mountPath: /cache }
        {{- end }}
        {{- if $trains }}
        - { name: work, mountPath: /work }
        {{- end }}
        {{- if $makesPods }}
        - { name: jobs, mountPath: /etc/albert/jobs, readOnly: true }
        {{- end }}
        {{- with $values.volumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    - { name: tmp, emptyDir: {} }
    {{- with include "albert.secretVolumes" $root | trim }}{{ . | nindent 4 }}{{ end }}
    {{- if eq $store.kind "volume" }}
    - { name: store, persistentVolumeClaim: { claimName: {{ include "albert.storeClaim" $root }} } }
    {{- else if eq $store.kind "s3" }}
    - { name: cache, emptyDir: {} }
    {{- end }}
    {{- if eq .role "all" }}
    - { name: work, persistentVolumeClaim: { claimName: {{ include "albert.fullname" $root }}-work } }
    {{- end }}
    {{- if $makesPods }}
    - { name: jobs, configMap: { name: {{ include "albert.fullname" $root }}-jobs } }
    {{- end }}
    {{- with $values.volumes }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- if $values.topologySpread }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "albert.selector" $root | nindent 10 }}
          app.kubernetes.io/component: {{ $component }}
    {{- end }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- $tolerations := $values.tolerations }}
  {{- if $values.gpu.enabled }}
  {{- $tolerations = append $tolerations (dict "key" $values.gpu.resource "operator" "Exists" "effect" "NoSchedule") }}
  {{- end }}
  {{- with $tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
