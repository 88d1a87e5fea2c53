{{- define "neurorail.name" -}}
{{- if contains "neurorail" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-neurorail{{ end }}
{{- end }}

{{- define "neurorail.selector" -}}
app.kubernetes.io/name: neurorail
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "neurorail.labels" -}}
{{ include "neurorail.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
