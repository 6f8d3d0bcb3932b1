package build

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/runtime/config"
)

// DashboardName is the name of the ConfigMap with the dashboard. Not the service's
// own, which a user's ConfigMap may well have.
func DashboardName(s *v1alpha1.RAGService) string { return s.Name + "-dashboard" }

// dashboard is for the sidecar of Grafana that loads ConfigMaps by their label.
func dashboard(s *v1alpha1.RAGService) (*corev1ac.ConfigMapApplyConfiguration, error) {
	d := s.Spec.Monitoring.Dashboard
	if d == nil {
		return nil, nil
	}
	data, err := json.MarshalIndent(dashboardOf(s), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the dashboard: %w", err)
	}
	l := maps.Clone(d.Labels)
	if l == nil {
		l = map[string]string{}
	}
	maps.Copy(l, labels(s, ComponentDashboard))
	return corev1ac.ConfigMap(DashboardName(s), s.Namespace).
		WithLabels(l).
		WithOwnerReferences(owner(s)).
		WithData(map[string]string{"ragservice-" + s.Namespace + "-" + s.Name + ".json": string(data)}), nil
}

// panel is one graph: a title, a unit as Grafana names it, and queries by legend.
type panel struct {
	title, unit string
	queries     []query
}

type query struct{ legend, expr string }

func panels() []panel {
	quantile := func(q string) string {
		return `histogram_quantile(` + q + `, sum by (le) (rate(rag_query_duration_seconds_bucket{SERVICE}[$__rate_interval])))`
	}
	return []panel{
		{"Queries", "reqps", []query{{"{{outcome}}", `sum by (outcome) (rate(rag_queries_total{SERVICE}[$__rate_interval]))`}}},
		{"Latency", "s", []query{{"p50", quantile("0.5")}, {"p95", quantile("0.95")}, {"p99", quantile("0.99")}}},
		{"Success ratio", "percentunit", []query{{"answered", `sum(rate(rag_queries_total{SERVICE, outcome=~"hit|stale|miss"}[$__rate_interval])) / sum(rate(rag_queries_total{SERVICE, outcome=~"hit|stale|miss|failed|shed"}[$__rate_interval]))`}}},
		{"Cache hits", "percentunit", []query{{"{{tier}}", `sum by (tier) (rate(rag_cache_requests_total{SERVICE, result="hit"}[$__rate_interval])) / scalar(sum(rate(rag_queries_total{SERVICE, outcome=~"hit|stale|miss"}[$__rate_interval])))`}}},
		{"Queries in flight", "short", []query{{"{{pod}}", `rag_queries_in_flight{SERVICE}`}}},
		{"Replicas", "short", []query{{"answering", `count(up{SERVICE, endpoint="admin"} == 1)`}}},
		{"Stages, p95", "s", []query{{"{{stage}}", `histogram_quantile(0.95, sum by (le, stage) (rate(rag_stage_duration_seconds_bucket{SERVICE}[$__rate_interval])))`}}},
		{"Other servers, failures", "percentunit", []query{{"{{upstream}}", `sum by (upstream) (rate(rag_upstream_requests_total{SERVICE, result!="ok"}[$__rate_interval])) / sum by (upstream) (rate(rag_upstream_requests_total{SERVICE}[$__rate_interval]))`}}},
		{"Refused for overload", "reqps", []query{{"{{reason}}", `sum by (reason) (rate(rag_shed_total{SERVICE}[$__rate_interval]))`}}},
		{"Tokens", "short", []query{{"{{direction}}", `sum by (direction) (rate(rag_tokens_total{SERVICE}[$__rate_interval]))`}}},
		{"CPU", "short", []query{{"{{pod}}", `rate(process_cpu_seconds_total{SERVICE}[$__rate_interval])`}}},
		{"Memory", "bytes", []query{{"{{pod}}", `process_resident_memory_bytes{SERVICE}`}}},
	}
}

// dashboardOf is the dashboard in Grafana's own model, two panels a row.
func dashboardOf(s *v1alpha1.RAGService) map[string]any {
	source := map[string]any{"type": "prometheus", "uid": "${datasource}"}
	selector := fmt.Sprintf(`namespace="%s", service="%s"`, s.Namespace, s.Name)
	const width, height = 12, 8
	var graphs []any
	for i, p := range panels() {
		var targets []any
		for j, q := range p.queries {
			targets = append(targets, map[string]any{
				"refId": string(rune('A' + j)), "datasource": source,
				"expr": strings.ReplaceAll(q.expr, "SERVICE", selector), "legendFormat": q.legend,
			})
		}
		graphs = append(graphs, map[string]any{
			"id": i + 1, "type": "timeseries", "title": p.title, "datasource": source, "targets": targets,
			"fieldConfig": map[string]any{"defaults": map[string]any{"unit": p.unit, "min": 0}, "overrides": []any{}},
			"gridPos":     map[string]any{"x": i % 2 * width, "y": i / 2 * height, "w": width, "h": height},
		})
	}
	return map[string]any{
		"title": "RAGService " + s.Namespace + "/" + s.Name, "uid": config.Hash([]byte(s.Namespace + "/" + s.Name)), "tags": []any{"ragservice"},
		"schemaVersion": 39, "editable": false, "refresh": "30s", "time": map[string]any{"from": "now-1h", "to": "now"},
		"templating": map[string]any{"list": []any{map[string]any{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}}},
		"panels":     graphs,
	}
}
