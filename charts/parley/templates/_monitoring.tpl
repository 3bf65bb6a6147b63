{{- /* Our labels and, over them, the user's: (dict "context" $ "labels" ...). */ -}}
{{- define "parley.monitoringLabels" -}}
{{- $ours := include "parley.labels" (dict "context" .context "part" "monitoring") | fromYaml -}}
{{- toYaml (merge (dict) .labels $ours) -}}
{{- end }}

{{- /* The groups of files/alerts.yaml without the alerts that the values leave out, each with the address of its runbook. */ -}}
{{- define "parley.alerts" -}}
{{- $values := .Values.monitoring.prometheusRule -}}
{{- $known := list -}}
{{- $groups := list -}}
{{- range $group := (.Files.Get "files/alerts.yaml" | fromYaml).groups }}
{{- $rules := list -}}
{{- range $rule := $group.rules }}
{{- $known = append $known $rule.alert -}}
{{- if not (has $rule.alert $values.without) }}
{{- $_ := set $rule.annotations "runbook_url" (printf "%s#%s" $values.runbookUrl (lower $rule.alert)) -}}
{{- $rules = append $rules $rule -}}
{{- end }}
{{- end }}
{{- if $rules }}{{ $groups = append $groups (dict "name" $group.name "rules" $rules) }}{{ end -}}
{{- end }}
{{- range $name := $values.without }}
{{- if not (has $name $known) }}{{ fail (printf "monitoring.prometheusRule.without: there is no alert %s" $name) }}{{ end -}}
{{- end }}
{{- toYaml (dict "groups" $groups) -}}
{{- end }}
