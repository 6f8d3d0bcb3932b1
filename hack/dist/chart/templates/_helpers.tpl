{{- define "ragservice.labels" -}}
app.kubernetes.io/part-of: ragservice
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "ragservice.image" -}}
{{- with .Values.image -}}
{{- if not (or .tag .digest) }}{{ fail "image.tag or image.digest must be set: an image without either is another one every day" }}{{ end -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}
{{- end }}
