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
# The pod that a sidecar's token is bound to: its uid and its application id.
- apiGroups: [""]
  resources: [pods]
  verbs: [get]
{{- end }}
