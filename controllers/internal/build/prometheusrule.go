package build

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// runbook is where each alert has a section of its own name.
const runbook = "https://ragops.dev/ragservice/docs/runbook.md#"

// prometheusRule alerts on the objectives of the service and on what keeps it from
// answering at all. It looks at what the ServiceMonitor has scraped.
func prometheusRule(s *v1alpha1.RAGService) *Custom {
	alerts := s.Spec.Monitoring.Alerts
	if alerts == nil {
		return nil
	}
	var rules []any
	for _, a := range alertsOf(s) {
		rules = append(rules, map[string]any{
			"alert":  a.name,
			"expr":   a.expr,
			"for":    a.lasts,
			"labels": map[string]any{"severity": a.severity, "ragservice": s.Name, "namespace": s.Namespace},
			"annotations": map[string]any{
				"summary":     a.summary,
				"runbook_url": runbook + strings.ToLower(a.name),
			},
		})
	}
	return custom(s, PrometheusRuleKind, s.Name, alerts.Labels, map[string]any{
		"groups": []any{map[string]any{"name": "ragservice-" + s.Namespace + "-" + s.Name, "rules": rules}},
	})
}

type alert struct{ name, expr, lasts, severity, summary string }

// Severities, as most routing trees know them.
const (
	critical = "critical"
	warning  = "warning"
)

func alertsOf(s *v1alpha1.RAGService) []alert {
	o := s.Spec.Objectives
	q := func(format string, args ...any) string {
		return strings.ReplaceAll(fmt.Sprintf(format, args...), "SERVICE", fmt.Sprintf(`namespace="%s", service="%s"`, s.Namespace, s.Name))
	}
	name := s.Namespace + "/" + s.Name
	alerts := []alert{
		{
			name: "RAGServiceDown", lasts: "2m", severity: critical,
			expr:    q(`absent(up{SERVICE, endpoint="admin"} == 1)`),
			summary: "No replica of " + name + " answers Prometheus.",
		},
		{
			name: "RAGServiceShedding", lasts: "5m", severity: warning,
			expr:    q(`sum(rate(rag_shed_total{SERVICE}[5m])) > 0`),
			summary: name + " refuses queries because it is overloaded ({{ $value | humanize }} a second).",
		},
		{
			name: "RAGServiceUpstreamFailing", lasts: "5m", severity: warning,
			expr:    q(`sum by (upstream) (rate(rag_upstream_requests_total{SERVICE, result!="ok"}[5m])) / sum by (upstream) (rate(rag_upstream_requests_total{SERVICE}[5m])) > 0.1`),
			summary: "{{ $labels.upstream }} fails {{ $value | humanizePercentage }} of the calls of " + name + ".",
		},
	}
	// Ratios count once there are enough queries for them to mean something.
	busy := q(` and sum(rate(rag_queries_total{SERVICE}[5m])) > 0.2`)
	const answered = `outcome=~"hit|stale|miss"`
	if o.SuccessRatio != "" {
		alerts = append(alerts, alert{
			name: "RAGServiceSuccessRatioLow", lasts: "5m", severity: critical,
			expr:    q(`sum(rate(rag_queries_total{SERVICE, %s}[5m])) / sum(rate(rag_queries_total{SERVICE, outcome=~"hit|stale|miss|failed|shed"}[5m])) < %s`, answered, o.SuccessRatio) + busy,
			summary: name + " answers {{ $value | humanizePercentage }} of its queries; the objective is " + string(o.SuccessRatio) + ".",
		})
	}
	if o.P95Latency != nil {
		alerts = append(alerts, alert{
			name: "RAGServiceP95LatencyHigh", lasts: "10m", severity: warning,
			expr:    q(`histogram_quantile(0.95, sum by (le) (rate(rag_query_duration_seconds_bucket{SERVICE}[5m]))) > %s`, seconds(o.P95Latency.Duration)) + busy,
			summary: "The slowest 5 % of answers of " + name + " take more than {{ $value | humanizeDuration }}; the objective is " + o.P95Latency.Duration.String() + ".",
		})
	}
	if o.AverageLatency != nil {
		alerts = append(alerts, alert{
			name: "RAGServiceAverageLatencyHigh", lasts: "10m", severity: warning,
			expr:    q(`sum(rate(rag_query_duration_seconds_sum{SERVICE}[5m])) / sum(rate(rag_query_duration_seconds_count{SERVICE}[5m])) > %s`, seconds(o.AverageLatency.Duration)) + busy,
			summary: "Answers of " + name + " take {{ $value | humanizeDuration }} on average; the objective is " + o.AverageLatency.Duration.String() + ".",
		})
	}
	if o.CacheHitRatio != "" && s.Spec.Cache != nil {
		alerts = append(alerts, alert{
			name: "RAGServiceCacheHitRatioLow", lasts: "30m", severity: warning,
			expr:    q(`sum(rate(rag_queries_total{SERVICE, outcome="hit"}[30m])) / sum(rate(rag_queries_total{SERVICE, %s}[30m])) < %s`, answered, o.CacheHitRatio) + busy,
			summary: name + " answers {{ $value | humanizePercentage }} of its queries from the cache; the objective is " + string(o.CacheHitRatio) + ".",
		})
	}
	return append(alerts, usageAlerts(s, q, name)...)
}

// usageAlerts compare what the processes use with the limit, or with the request
// where there is no limit.
func usageAlerts(s *v1alpha1.RAGService, q func(string, ...any) string, name string) []alert {
	o, resources := s.Spec.Objectives, s.Spec.Workload.Resources
	whole := func(r corev1.ResourceName) float64 {
		quantity, ok := resources.Limits[r]
		if !ok {
			quantity = resources.Requests[r]
		}
		return quantity.AsApproximateFloat64()
	}
	var alerts []alert
	if cpu := whole(corev1.ResourceCPU); cpu > 0 && o.CPUPercent > 0 {
		alerts = append(alerts, alert{
			name: "RAGServiceCPUHigh", lasts: "15m", severity: warning,
			expr:    q(`100 * avg(rate(process_cpu_seconds_total{SERVICE}[5m])) / %s > %d`, decimal(cpu), o.CPUPercent),
			summary: fmt.Sprintf("The replicas of %s use {{ $value | humanize }} %% of their CPU on average; the objective is %d.", name, o.CPUPercent),
		})
	}
	if memory := whole(corev1.ResourceMemory); memory > 0 && o.MemoryPercent > 0 {
		alerts = append(alerts, alert{
			name: "RAGServiceMemoryHigh", lasts: "15m", severity: warning,
			expr:    q(`100 * max(process_resident_memory_bytes{SERVICE}) / %s > %d`, decimal(memory), o.MemoryPercent),
			summary: fmt.Sprintf("A replica of %s uses {{ $value | humanize }} %% of its memory; the objective is %d.", name, o.MemoryPercent),
		})
	}
	return alerts
}

func seconds(d time.Duration) string { return decimal(d.Seconds()) }

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
