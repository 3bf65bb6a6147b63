{{- /* injector.json: what the injector reads at start, its own settings and those of the sidecars it adds. */ -}}
{{- define "parley.injectorSettings" -}}
{{- $sidecar := .Values.sidecar -}}
{{- dict
  "image" (include "parley.image" (dict "context" . "image" "sidecar"))
  "imagePullPolicy" .Values.images.pullPolicy
  "operatorUrl" (include "parley.operatorUrl" .)
  "resources" (include "parley.textQuantities" $sidecar.resources | fromJson)
  "cpuLimitWhenRequired" (toString $sidecar.cpuLimitWhenRequired)
  "runAsUser" $sidecar.runAsUser
  "runAsGroup" $sidecar.runAsGroup
  "sidecarLogLevel" $sidecar.logLevel
  "sidecarDrainSeconds" $sidecar.drainSeconds
  "failurePolicy" .Values.injector.failurePolicy
  "logLevel" .Values.injector.logLevel
  | toPrettyJson -}}
{{- end }}

{{- /* Requests and limits with every quantity as text: `cpu: 1` is a number in YAML. */ -}}
{{- define "parley.textQuantities" -}}
{{- $texts := dict -}}
{{- range $kind, $quantities := . }}
{{- $set := dict -}}
{{- range $resource, $quantity := $quantities }}{{ $_ := set $set $resource (toString $quantity) }}{{ end -}}
{{- $_ := set $texts $kind $set -}}
{{- end -}}
{{- toJson $texts -}}
{{- end }}

{{- /*
One entry of the webhook configuration: (dict "context" $ "name" ... "path" ... "entry" ... "attempt" N).
Each attempt after the first asks only for pods that have no sidecar yet; the last one alone may refuse a pod.
*/ -}}
{{- define "parley.webhook" -}}
{{- $values := .context.Values -}}
- name: {{ .name }}{{ if gt .attempt 1 }}-{{ .attempt }}{{ end }}.inject.parley.dev
  clientConfig:
    {{- if $values.injector.url }}
    url: {{ $values.injector.url }}{{ .path }}
    {{- else }}
    service:
      namespace: {{ .context.Release.Namespace }}
      name: {{ include "parley.fullname" .context }}-injector
      port: 443
      path: {{ .path }}
    {{- end }}
  rules:
    - operations: [CREATE]
      apiGroups: [""]
      apiVersions: [v1]
      resources: [pods]
      scope: Namespaced
  matchConditions:
    - name: {{ .name }}
      expression: {{ .expression | quote }}
    {{- if gt .attempt 1 }}
    - name: no-sidecar-yet
      expression: "!has(object.spec.initContainers) || !object.spec.initContainers.exists(c, c.name == 'parley')"
    {{- end }}
  namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: NotIn
        values: {{ uniq (list "kube-system" "kube-node-lease" .context.Release.Namespace) | toJson }}
      {{- with $values.watchNamespaces }}
      - key: kubernetes.io/metadata.name
        operator: In
        values: {{ toJson . }}
      {{- end }}
      {{- if .labelled }}
      - key: parley.dev/inject
        operator: In
        values: [enabled]
      {{- end }}
  failurePolicy: {{ ternary $values.injector.failurePolicy "Ignore" (eq .attempt (int $values.injector.attempts)) }}
  admissionReviewVersions: [v1]
  matchPolicy: Equivalent
  reinvocationPolicy: IfNeeded
  sideEffects: None
  timeoutSeconds: 5
{{- end }}
