{{- define "type" -}}
{{- $type := . -}}
{{- if markdownShouldRenderType $type }}
## {{ $type.Name }}

{{ markdownRenderFieldDoc $type.Doc | replace "<br />" " " }}
{{ if $type.References }}
In{{ range $i, $r := $type.SortedReferences }}{{ if $i }},{{ end }} {{ markdownRenderTypeLink $r }}{{ end }}.
{{ end -}}
{{- template "rules" (index $type.Markers "kubebuilder:validation:XValidation") -}}
{{- if and $type.IsAlias $type.Validation }}
A {{ markdownRenderTypeLink $type.UnderlyingType }}.{{ range $type.Validation }} {{ markdownRenderFieldDoc . }}.{{ end }}
{{ end -}}
{{- if $type.EnumValues }}
| value | says |
|---|---|
{{ range $type.EnumValues -}}
| `{{ .Name }}` | {{ markdownRenderFieldDoc .Doc | replace "<br />" " " }} |
{{ end -}}
{{- end -}}
{{- if $type.Members }}
| field | |
|---|---|
{{ range $type.Members -}}
| `{{ .Name }}` {{ markdownRenderType .Type }} | {{ template "member" . }} |
{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "member" -}}
{{- if eq .Name "metadata" -}}
As of every object.
{{- else -}}
{{ markdownRenderFieldDoc .Doc | replace "<br />" " " }}
{{- end -}}
{{- if has "Required: {}" .Validation }}<br/>Required.{{ end -}}
{{- if and .Default (not (contains "Defaults to" .Doc)) }}<br/>Default: `{{ .Default | replace "|" "\\|" }}`.{{ end -}}
{{- range .Validation -}}
{{- if not (or (hasPrefix "Required" .) (hasPrefix "Optional" .)) }}<br/>{{ . | replace "|" "\\|" | replace "{" "\\{" | replace "}" "\\}" }}{{ end -}}
{{- end -}}
{{- range index .Markers "kubebuilder:validation:XValidation" }}<br/>Rule: {{ .Message | replace "|" "\\|" }}.{{ end -}}
{{- end -}}

{{- define "rules" -}}
{{- if . }}
Rules:
{{ range . }}
- {{ .Message }}
{{- end }}
{{ end -}}
{{- end -}}
