{{- /* Those of the injector's settings that shape a sidecar. */ -}}
{{- define "parley.sidecarSettings" -}}
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
  "sidecarNative" $sidecar.native
  | toJson -}}
{{- end }}

{{- /* Says which image and settings a sidecar was made with: the injector stamps it, the operator compares. */ -}}
{{- define "parley.sidecarRevision" -}}
{{- printf "%s %s" (include "parley.sidecarSettings" .) .Chart.AppVersion | sha256sum | trunc 16 -}}
{{- end }}

{{- /* injector.json: what the injector reads at start, its own settings and those of the sidecars it adds. */ -}}
{{- define "parley.injectorSettings" -}}
{{- $all := dict
  "sidecarRevision" (include "parley.sidecarRevision" .)
  "releaseNamespace" .Release.Namespace
  "failurePolicy" .Values.injector.failurePolicy
  "port" (int .Values.injector.port)
  "logLevel" .Values.injector.logLevel
-}}
{{- /* One by one: `merge` would drop nulls. */ -}}
{{- range $name, $value := include "parley.sidecarSettings" . | fromJson }}{{ $_ := set $all $name $value }}{{ end -}}
{{- toPrettyJson $all -}}
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

{{- /* A pod that has no sidecar, neither a native one nor a plain container. */ -}}
{{- define "parley.noSidecarYet" -}}
!object.spec.containers.exists(c, c.name == 'parley') &&
{{- " " -}}
!(has(object.spec.initContainers) && object.spec.initContainers.exists(c, c.name == 'parley'))
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
      expression: {{ include "parley.noSidecarYet" . | quote }}
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
