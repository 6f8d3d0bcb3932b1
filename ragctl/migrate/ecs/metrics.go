package ecs

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// metricMapping says which Prometheus metric stands for one of CloudWatch. In the
// expressions PODS selects the workload's pods, NAMESPACE and NAME are its own, and
// RANGE is the time over which rates are taken.
type metricMapping struct {
	namespace, name string
	expression      string // for a statistic of Average, Sum and the like
	quantile        string // for a percentile, which stands for Q; empty where there is none
	runtimeOnly     bool   // measured by the query runtime, so only of a RAGService
	unit            string // Grafana's
	note            string
}

const (
	nsECS      = "AWS/ECS"
	nsInsights = "ECS/ContainerInsights"
	nsALB      = "AWS/ApplicationELB"
	nsCache    = "AWS/ElastiCache"
)

// metricMappings is what alarms and dashboards are translated by. The matrix in the
// docs holds it.
var metricMappings = []metricMapping{
	{nsECS, "CPUUtilization", `100 * sum(rate(container_cpu_usage_seconds_total{PODS, container!=""}[RANGE])) / sum(kube_pod_container_resource_requests{PODS, resource="cpu"})`, "", false, "percent", "Of what the pods request."},
	{nsECS, "MemoryUtilization", `100 * sum(container_memory_working_set_bytes{PODS, container!=""}) / sum(kube_pod_container_resource_limits{PODS, resource="memory"})`, "", false, "percent", "Of the pods' limits."},
	{nsInsights, "CpuUtilized", `1024 * sum(rate(container_cpu_usage_seconds_total{PODS, container!=""}[RANGE]))`, "", false, "none", "In ECS's units."},
	{nsInsights, "CpuReserved", `1024 * sum(kube_pod_container_resource_requests{PODS, resource="cpu"})`, "", false, "none", "In ECS's units."},
	{nsInsights, "MemoryUtilized", `sum(container_memory_working_set_bytes{PODS, container!=""}) / 1048576`, "", false, "mbytes", ""},
	{nsInsights, "MemoryReserved", `sum(kube_pod_container_resource_requests{PODS, resource="memory"}) / 1048576`, "", false, "mbytes", ""},
	{nsInsights, "RunningTaskCount", `sum(kube_deployment_status_replicas_ready{namespace="NAMESPACE", deployment="NAME"})`, "", false, "none", ""},
	{nsInsights, "DesiredTaskCount", `sum(kube_deployment_spec_replicas{namespace="NAMESPACE", deployment="NAME"})`, "", false, "none", ""},
	{nsInsights, "PendingTaskCount", `sum(kube_deployment_status_replicas_unavailable{namespace="NAMESPACE", deployment="NAME"})`, "", false, "none", ""},
	{nsInsights, "NetworkRxBytes", `sum(rate(container_network_receive_bytes_total{PODS}[RANGE]))`, "", false, "Bps", ""},
	{nsInsights, "NetworkTxBytes", `sum(rate(container_network_transmit_bytes_total{PODS}[RANGE]))`, "", false, "Bps", ""},
	{nsALB, "RequestCount", `sum(increase(rag_queries_total{PODS}[RANGE]))`, "", true, "none", "Counted by the runtime, not by the load balancer."},
	{nsALB, "RequestCountPerTarget", `sum(increase(rag_queries_total{PODS}[RANGE])) / count(count by (pod) (rag_queries_total{PODS}))`, "", true, "none", "Counted by the runtime, not by the load balancer."},
	{nsALB, "TargetResponseTime", `sum(rate(rag_query_duration_seconds_sum{PODS}[RANGE])) / sum(rate(rag_query_duration_seconds_count{PODS}[RANGE]))`, `histogram_quantile(Q, sum by (le) (rate(rag_query_duration_seconds_bucket{PODS}[RANGE])))`, true, "s", "Of answered queries, measured by the runtime."},
	{nsALB, "HTTPCode_Target_2XX_Count", `sum(increase(rag_queries_total{PODS, outcome=~"hit|stale|miss"}[RANGE]))`, "", true, "none", ""},
	{nsALB, "HTTPCode_Target_4XX_Count", `sum(increase(rag_queries_total{PODS, outcome="rejected"}[RANGE]))`, "", true, "none", ""},
	{nsALB, "HTTPCode_Target_5XX_Count", `sum(increase(rag_queries_total{PODS, outcome=~"failed|shed"}[RANGE]))`, "", true, "none", ""},
	{nsALB, "HTTPCode_ELB_5XX_Count", `sum(increase(rag_queries_total{PODS, outcome=~"failed|shed"}[RANGE]))`, "", true, "none", "What the load balancer itself could not forward is not in it."},
	{nsALB, "HealthyHostCount", `sum(kube_deployment_status_replicas_ready{namespace="NAMESPACE", deployment="NAME"})`, "", false, "none", ""},
	{nsALB, "UnHealthyHostCount", `sum(kube_deployment_status_replicas_unavailable{namespace="NAMESPACE", deployment="NAME"})`, "", false, "none", ""},
	{nsALB, "ActiveConnectionCount", `sum(rag_queries_in_flight{PODS})`, "", true, "none", "Queries in flight, not connections."},
	{nsCache, "CacheHits", `sum(increase(rag_cache_requests_total{PODS, tier="redis", result="hit"}[RANGE]))`, "", true, "none", "Of this service's look-ups."},
	{nsCache, "CacheMisses", `sum(increase(rag_cache_requests_total{PODS, tier="redis", result="miss"}[RANGE]))`, "", true, "none", "Of this service's look-ups."},
	{nsCache, "CacheHitRate", `100 * sum(rate(rag_cache_requests_total{PODS, tier="redis", result="hit"}[RANGE])) / sum(rate(rag_cache_requests_total{PODS, tier="redis"}[RANGE]))`, "", true, "percent", "Of this service's look-ups."},
}

// expressionFor translates a metric and statistic of CloudWatch; ok is false where
// nothing stands for it.
func (w *workload) expressionFor(namespace, name, statistic string, period int) (expression string, mapping metricMapping, ok bool) {
	for _, mapping := range metricMappings {
		if !strings.EqualFold(mapping.namespace, namespace) || mapping.name != name || mapping.runtimeOnly && !w.replaced {
			continue
		}
		text := mapping.expression
		if percentile, isPercentile := strings.CutPrefix(strings.ToLower(statistic), "p"); isPercentile {
			value, err := strconv.ParseFloat(percentile, 64)
			if err != nil || mapping.quantile == "" || value <= 0 || value >= 100 {
				return "", metricMapping{}, false
			}
			text = strings.Replace(mapping.quantile, "Q", strconv.FormatFloat(value/100, 'g', -1, 64), 1)
		}
		return w.fillExpression(text, period), mapping, true
	}
	return "", metricMapping{}, false
}

func (w *workload) fillExpression(text string, period int) string {
	window := "$__rate_interval"
	if period > 0 {
		window = promDuration(period)
	}
	// Pods of a Deployment, and not those of what else begins with the same name.
	pods := fmt.Sprintf(`namespace="%s", pod=~"%s-[a-z0-9]+-[a-z0-9]{5}"`, w.options.Namespace, w.name)
	return strings.NewReplacer("PODS", pods, "NAMESPACE", w.options.Namespace, "NAME", w.name, "RANGE", window).Replace(text)
}

// promDuration writes seconds as Prometheus does.
func promDuration(s int) string {
	if s%60 == 0 {
		return strconv.Itoa(s/60) + "m"
	}
	return strconv.Itoa(s) + "s"
}

// statisticOf is the statistic that an alarm or widget asks for.
func statisticOf(texts ...string) string { return cmp.Or(append(texts, "Average")...) }
