{{- /*
Names, labels and the parts that all pods share.
*/ -}}

{{- /* What every object's name begins with. 46 characters leave room for the longest ending, -operator-peers. */ -}}
{{- define "parley.fullname" -}}
{{- $name := .Release.Name -}}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end -}}
{{- default $name .Values.fullnameOverride | trunc 46 | trimSuffix "-" -}}
{{- end }}

{{- define "parley.selector" -}}
app.kubernetes.io/name: {{ .context.Chart.Name }}
app.kubernetes.io/instance: {{ .context.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- /* Labels of an object that belongs to one part: (dict "context" $ "part" "operator"). */ -}}
{{- define "parley.labels" -}}
{{ include "parley.selector" . }}
app.kubernetes.io/part-of: parley
app.kubernetes.io/version: {{ .context.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .context.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .context.Chart.Name .context.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "parley.image" -}}
{{- $image := index .context.Values.images .image -}}
{{- if $image.digest -}}
{{ printf "%s@%s" $image.repository $image.digest }}
{{- else -}}
{{ printf "%s:%s" $image.repository (default .context.Chart.AppVersion $image.tag) }}
{{- end -}}
{{- end }}

{{- /* Where sidecars and the API server find Services of ours: HOST without the cluster's domain, which may differ. */ -}}
{{- define "parley.operatorUrl" -}}
https://{{ include "parley.fullname" . }}-operator.{{ .Release.Namespace }}.svc:443
{{- end }}

{{- /* The shared store's URL without credentials; empty: there is none. */ -}}
{{- define "parley.storeUrl" -}}
{{- if .Values.redis.external.url -}}
{{ .Values.redis.external.url }}
{{- else if .Values.redis.enabled -}}
redis://{{ include "parley.fullname" . }}-redis.{{ .Release.Namespace }}.svc:6379
{{- end -}}
{{- end }}

{{- /* The Secret with the store's credentials; empty: there are none. */ -}}
{{- define "parley.storeSecret" -}}
{{- if .Values.redis.external.url -}}
{{ .Values.redis.external.existingSecret }}
{{- else if .Values.redis.enabled -}}
{{ include "parley.fullname" . }}-store
{{- end -}}
{{- end }}

{{- /* The Secret with the serving certificate, its key and the authority that signed it. */ -}}
{{- define "parley.tlsSecret" -}}
{{- if eq .Values.certificates.mode "external" -}}
{{ .Values.certificates.existingSecret }}
{{- else -}}
{{ include "parley.fullname" . }}-tls
{{- end -}}
{{- end }}

{{- /* The service account of one part: (dict "context" $ "part" "operator"). */ -}}
{{- define "parley.account" -}}
{{- default (printf "%s-%s" (include "parley.fullname" .context) .part) (index .context.Values.serviceAccounts .part) -}}
{{- end }}

{{- /*
Where `helm test` makes a component and tries a pod: not in the release's own namespace, whose pods get no sidecars. Empty where
there is no other to be named.
*/ -}}
{{- define "parley.selftestNamespace" -}}
{{- $own := .Release.Namespace -}}
{{- if eq .Values.selftest.namespace $own }}{{ fail "selftest.namespace: pods of the release's own namespace get no sidecars" }}{{ end -}}
{{- $served := default (list "default") .Values.watchNamespaces -}}
{{- without (concat (list .Values.selftest.namespace) $served | compact) $own | first | default "" -}}
{{- end }}

{{- /* "true" where the chart runs Redis. */ -}}
{{- define "parley.ownRedis" -}}
{{- if and .Values.redis.enabled (not .Values.redis.external.url) }}true{{ end -}}
{{- end }}

{{- define "parley.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end }}

{{- /*
Health on a port of its own, as operator and injector serve it: (dict "liveness" PATH). Start is generous: nodes may be slow
and images cold.
*/ -}}
{{- define "parley.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 1
  failureThreshold: 120
livenessProbe:
  httpGet: {path: {{ .liveness }}, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 2
  timeoutSeconds: 2
{{- end }}

{{- /* A pod's fields outside its containers. Service links off: a Service of ours would set PARLEY_* variables. */ -}}
{{- define "parley.pod" -}}
{{- $values := .context.Values -}}
serviceAccountName: {{ include "parley.account" . }}
automountServiceAccountToken: {{ has .part (list "operator" "selftest") }}
enableServiceLinks: false
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.images.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- range $field, $id := $values.podSecurityContext }}
  {{- with $id }}
  {{ $field }}: {{ int64 . }}
  {{- end }}
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "parley.spread" -}}
topologySpreadConstraints:
  {{- $selector := include "parley.selector" . }}
  - topologyKey: kubernetes.io/hostname
    maxSkew: 1
    whenUnsatisfiable: {{ .context.Values.whenUnsatisfiable }}
    labelSelector:
      matchLabels: {{- $selector | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  - topologyKey: topology.kubernetes.io/zone
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- $selector | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
