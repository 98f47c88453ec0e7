{{/* The batch/v1 Job after which that of each training job is made, as YAML. The program adds name, labels and arguments. */}}
{{- define "albert.job" -}}
{{- $root := . -}}
{{- $values := .Values.jobs -}}
{{- $store := .Values.store -}}
{{- $component := ternary "training" "inference" .Values.training.enabled -}}
apiVersion: batch/v1
kind: Job
metadata:
  labels:
    {{- include "albert.labels" $root | nindent 4 }}
    app.kubernetes.io/component: job
spec:
  backoffLimit: {{ int $values.backoffLimit }}
  ttlSecondsAfterFinished: {{ int $values.ttlSecondsAfterFinished }}
  {{- if gt (int $values.activeDeadlineSeconds) 0 }}
  activeDeadlineSeconds: {{ int $values.activeDeadlineSeconds }}
  {{- end }}
  template:
    metadata:
      labels:
        {{- include "albert.labels" $root | nindent 8 }}
        app.kubernetes.io/component: job
        {{- with $values.labels }}{{ toYaml . | nindent 8 }}{{ end }}
      {{- with $values.annotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      restartPolicy: Never
      serviceAccountName: {{ include "albert.serviceAccountName" $root }}
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: {{ include "albert.graceSeconds" $root }}
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- if and $values.gpu.enabled $values.gpu.runtimeClassName }}
      runtimeClassName: {{ $values.gpu.runtimeClassName }}
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
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: { drop: [ALL] }
          envFrom:
            - configMapRef: { name: {{ include "albert.fullname" $root }}-{{ $component }} }
            {{- if and (eq $store.kind "s3") $store.s3.credentialsSecret }}
            - secretRef: { name: {{ $store.s3.credentialsSecret }} }
            {{- end }}
          {{- $env := $values.env }}
          {{- if not (hasKey ($root.Values.settings.runtime | default dict) "device") }}
          {{- $env = prepend $env (dict "name" "ALBERT_RUNTIME_DEVICE" "value" (ternary "cuda" "auto" $values.gpu.enabled)) }}
          {{- end }}
          {{- with $env }}
          env: {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- $resources := deepCopy $values.resources }}
          {{- if $values.gpu.enabled }}
          {{- $resources = merge (dict "limits" (dict $values.gpu.resource (int $values.gpu.count))) $resources }}
          {{- end }}
          resources: {{- toYaml $resources | nindent 12 }}
          volumeMounts:
            - { name: tmp, mountPath: /tmp }
            - { name: work, mountPath: /work }
            {{- if eq $store.kind "volume" }}
            - { name: store, mountPath: /data }
            {{- else if eq $store.kind "s3" }}
            - { name: cache, mountPath: /cache }
            {{- end }}
            {{- with $values.volumeMounts }}{{ toYaml . | nindent 12 }}{{ end }}
      volumes:
        - { name: tmp, emptyDir: {} }
        - { name: work, emptyDir: { sizeLimit: {{ $values.workSize }} } }
        {{- if eq $store.kind "volume" }}
        - { name: store, persistentVolumeClaim: { claimName: {{ include "albert.storeClaim" $root }} } }
        {{- else if eq $store.kind "s3" }}
        - { name: cache, emptyDir: {} }
        {{- end }}
        {{- with $values.volumes }}{{ toYaml . | nindent 8 }}{{ end }}
      {{- with $values.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- $tolerations := $values.tolerations }}
      {{- if $values.gpu.enabled }}
      {{- $tolerations = append $tolerations (dict "key" $values.gpu.resource "operator" "Exists" "effect" "NoSchedule") }}
      {{- end }}
      {{- with $tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}
