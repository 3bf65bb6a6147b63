{{- /* What the operator may do in each namespace that it serves. */ -}}
{{- define "parley.namespaceRules" -}}
- apiGroups: [parley.dev]
  resources: [conversationcomponents]
  verbs: [get, list, watch]
- apiGroups: [parley.dev]
  resources: [conversationcomponents/status]
  verbs: [patch]
# Those that components refer to: one at a time, by name.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
# The pod that a sidecar's token is bound to, and pods that ask for a sidecar and have none, or an old one.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list]
# Who owns such a pod, and what is to be told to its owner.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- if .Values.missedPods.evict }}
# missedPods.evict: disruption budgets are asked.
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
{{- end }}
{{- if .Values.outdatedSidecars.restart }}
# outdatedSidecars.restart: an annotation on the pod template. A right to patch cannot be limited to it.
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get, patch]
{{- end }}
{{- if .Values.dapr.readComponents }}
# dapr.readComponents: read and never written.
- apiGroups: [dapr.io]
  resources: [components]
  verbs: [get, list, watch]
{{- end }}
{{- end }}

{{- /* Secrets of the release's namespace that the leader fills, by the end of their names. */ -}}
{{- define "parley.filledSecrets" -}}
{{- $filled := list "ca" -}}
{{- if eq .Values.certificates.mode "builtin" }}{{ $filled = append $filled "tls" }}{{ end -}}
{{- concat $filled (list "store" "context-key") | toJson -}}
{{- end }}

{{- /* Secrets of the release's namespace that somebody else fills: certificate and credentials. */ -}}
{{- define "parley.foreignSecrets" -}}
{{- $foreign := list -}}
{{- if ne .Values.certificates.mode "builtin" }}{{ $foreign = list (include "parley.tlsSecret" .) }}{{ end -}}
{{- with .Values.redis.external.existingSecret }}{{ $foreign = append $foreign . }}{{ end -}}
{{- $foreign | uniq | toJson -}}
{{- end }}
