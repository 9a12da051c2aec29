{{- define "ec2bridge.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "ec2bridge.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ec2bridge.labels" -}}
{{ include "ec2bridge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "ec2bridge.secret" -}}
{{ .Values.existingSecret | default (include "ec2bridge.name" .) }}
{{- end }}

{{- define "ec2bridge.scheme" -}}
{{ ternary "HTTPS" "HTTP" (not (empty .Values.tlsSecret)) }}
{{- end }}
