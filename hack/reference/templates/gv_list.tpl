{{- define "gvList" -}}
<!-- Made by make generate from the types in api/v1alpha1. Do not edit. -->
# Reference

The fields of a RAGService, as `kubectl explain rag.spec` tells them too. A default is filled in when the object is written, so that
`kubectl get` shows it.
{{ range . }}
{{ template "gvDetails" . }}
{{- end }}
{{- end -}}
