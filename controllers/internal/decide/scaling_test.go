package decide_test

import (
	"fmt"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/decide"
	"ragops.dev/ragservice/runtime/config"
)

// onQueries scales on CPU and on queries in flight.
func onQueries(s *decide.Snapshot) {
	s.Service.Spec.Scaling.Targets = &v1alpha1.ScalingTargets{CPUPercent: new(int32(80)), QueriesInFlight: new(int32(64))}
}

// sees is an autoscaler that is active and sees these figures.
func sees(figures ...autoscalingv2.MetricStatus) func(*decide.Snapshot) {
	return func(s *decide.Snapshot) {
		scaling(corev1.ConditionTrue, "ValidMetricFound", "")(s)
		s.Autoscaler.Status.CurrentMetrics = figures
	}
}

func inFlight(perPod string) autoscalingv2.MetricStatus {
	return autoscalingv2.MetricStatus{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricStatus{
		Metric:  autoscalingv2.MetricIdentifier{Name: build.MetricQueriesInFlight},
		Current: autoscalingv2.MetricValueStatus{AverageValue: new(resource.MustParse(perPod))},
	}}
}

func external(name, perReplica string) autoscalingv2.MetricStatus {
	return autoscalingv2.MetricStatus{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricStatus{
		Metric:  autoscalingv2.MetricIdentifier{Name: name},
		Current: autoscalingv2.MetricValueStatus{AverageValue: new(resource.MustParse(perReplica))},
	}}
}

func autoscalerSays(kind autoscalingv2.HorizontalPodAutoscalerConditionType, status corev1.ConditionStatus, reason, message string) func(*decide.Snapshot) {
	return func(s *decide.Snapshot) {
		s.Autoscaler.Status.Conditions = append(s.Autoscaler.Status.Conditions,
			autoscalingv2.HorizontalPodAutoscalerCondition{Type: kind, Status: status, Reason: reason, Message: message})
	}
}

// missed is what an autoscaler shows in place of a figure it did not get.
var missed autoscalingv2.MetricStatus

func from(source v1alpha1.MetricsSource) func(*decide.Snapshot) {
	return func(s *decide.Snapshot) { s.Service.Spec.Scaling.MetricsSource = source }
}

func serves(rival string) func(*decide.Snapshot) {
	return func(s *decide.Snapshot) { s.MetricsAPI = &decide.MetricsAPI{Rival: rival} }
}

func TestScalingActive(t *testing.T) {
	tests := []struct {
		name    string
		changes []func(*decide.Snapshot)
		want    string
	}{
		{
			name:    "it sees all",
			changes: []func(*decide.Snapshot){onQueries, sees(used(corev1.ResourceCPU, 12), inFlight("61500m"))},
			want:    "True Succeeded: scales on cpuPercent 10/80, queriesInFlight 62/64",
		},
		{
			name: "the load asks for more than there may be",
			changes: []func(*decide.Snapshot){onQueries, sees(used(corev1.ResourceCPU, 12), inFlight("212")),
				autoscalerSays(autoscalingv2.ScalingLimited, corev1.ConditionTrue, "TooManyReplicas", "the desired replica count is more than the maximum replica count")},
			want: "True LimitedByMaxReplicas: scales on cpuPercent 10/80, queriesInFlight 210/64; it asks for more than maxReplicas (10)",
		},
		{
			name: "the load asks for less than there must be",
			changes: []func(*decide.Snapshot){onQueries, sees(used(corev1.ResourceCPU, 1), inFlight("0")),
				autoscalerSays(autoscalingv2.ScalingLimited, corev1.ConditionTrue, "TooFewReplicas", "")},
			want: "True Succeeded: scales on cpuPercent 0/80, queriesInFlight 0/64",
		},
		{
			name:    "it has not looked",
			changes: []func(*decide.Snapshot){func(s *decide.Snapshot) { s.Autoscaler = &autoscalingv2.HorizontalPodAutoscaler{} }},
			want:    "Unknown Progressing: the HorizontalPodAutoscaler has not looked yet",
		},
		{
			name: "it cannot scale at all",
			changes: []func(*decide.Snapshot){sees(used(corev1.ResourceCPU, 12), used(corev1.ResourceMemory, 12)),
				autoscalerSays(autoscalingv2.AbleToScale, corev1.ConditionFalse, "FailedGetScale", "the server is tired")},
			want: "False FailedGetScale: the server is tired",
		},
		{
			name:    "nobody serves the API of queries, and CPU alone moves it",
			changes: []func(*decide.Snapshot){onQueries, sees(used(corev1.ResourceCPU, 12), missed)},
			want: "False MetricsMissing: nobody tells queriesInFlight, so the service scales on cpuPercent 10/80 alone; " +
				"this operator does not serve the custom metrics API: install config/default-with-metrics-api, or choose another metricsSource",
		},
		{
			name:    "another server has the API of queries",
			changes: []func(*decide.Snapshot){onQueries, sees(used(corev1.ResourceCPU, 12), missed), serves("monitoring/prometheus-adapter")},
			want: "False MetricsAPIOwnedByAnother: nobody tells queriesInFlight, so the service scales on cpuPercent 10/80 alone; " +
				"the custom metrics API belongs to the service monitoring/prometheus-adapter: set metricsSource Prometheus if that is prometheus-adapter, or remove its registration",
		},
		{
			name:    "prometheus-adapter is asked for, and this operator has the API",
			changes: []func(*decide.Snapshot){onQueries, from(v1alpha1.MetricsSourcePrometheus), sees(used(corev1.ResourceCPU, 12), missed), serves("")},
			want: "False MetricsMissing: nobody tells queriesInFlight, so the service scales on cpuPercent 10/80 alone; " +
				"this operator has the custom metrics API of the cluster: install prometheus-adapter in its place, or set metricsSource Operator",
		},
		{
			name: "prometheus-adapter lacks its rules",
			changes: []func(*decide.Snapshot){onQueries, from(v1alpha1.MetricsSourcePrometheus),
				scaling(corev1.ConditionFalse, "FailedGetPodsMetric", "unable to get metric rag_queries_in_flight"), func(s *decide.Snapshot) { s.Autoscaler.Status.CurrentMetrics = nil }},
			want: "False FailedGetPodsMetric: unable to get metric rag_queries_in_flight; " +
				"prometheus-adapter needs the rules of config/prometheus-adapter, and a Prometheus that scrapes the pods",
		},
		{
			name:    "CPU is missing, of which the autoscaler itself tells",
			changes: []func(*decide.Snapshot){scaling(corev1.ConditionFalse, "FailedGetResourceMetric", "no metrics known for pod"), func(s *decide.Snapshot) { s.Autoscaler.Status.CurrentMetrics = nil }},
			want:    "False FailedGetResourceMetric: no metrics known for pod",
		},
		{
			name: "a cluster that drops the tolerance",
			changes: []func(*decide.Snapshot){sees(used(corev1.ResourceCPU, 12), used(corev1.ResourceMemory, 12)), func(s *decide.Snapshot) {
				s.Service.Spec.Scaling.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: &autoscalingv2.HPAScalingRules{Tolerance: new(resource.MustParse("0.05"))}}
				s.Autoscaler.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: &autoscalingv2.HPAScalingRules{}}
			}},
			want: "True ToleranceNotServed: scales on cpuPercent 10/80, memoryPercent 10/85; this cluster knows no tolerance of its own for a service, so that of the cluster holds",
		},
		{
			name:    "KEDA is asked for and not there",
			changes: []func(*decide.Snapshot){keda, func(s *decide.Snapshot) { s.Served = nil }},
			want:    "False CRDNotInstalled: the cluster does not know ScaledObject (keda.sh/v1alpha1): made once KEDA is installed; until then the number of replicas stays as it is",
		},
		{
			name:    "KEDA is asked for and not there, and the former autoscaler is",
			changes: []func(*decide.Snapshot){keda, exists(build.AutoscalerKind, "support", decide.Own), func(s *decide.Snapshot) { s.Served = nil }},
			want:    "False CRDNotInstalled: the cluster does not know ScaledObject (keda.sh/v1alpha1): made once KEDA is installed; until then the former HorizontalPodAutoscaler scales on",
		},
		{
			name:    "KEDA has not done its part",
			changes: []func(*decide.Snapshot){keda},
			want:    "Unknown Progressing: KEDA has not made its HorizontalPodAutoscaler yet: kubectl describe scaledobject support -n demo tells why",
		},
		{
			name:    "KEDA's figures bear the numbers of its triggers",
			changes: []func(*decide.Snapshot){onQueries, keda, sees(used(corev1.ResourceCPU, 12), external("s1-prometheus", "3"))},
			want:    "True Succeeded: scales on cpuPercent 10/80, queriesInFlight 3/64",
		},
		{
			name:    "KEDA gets no answer",
			changes: []func(*decide.Snapshot){onQueries, keda, sees(used(corev1.ResourceCPU, 12), missed)},
			want: "False MetricsMissing: nobody tells queriesInFlight, so the service scales on cpuPercent 10/80 alone; " +
				"KEDA asks http://prometheus:9090: kubectl describe scaledobject support -n demo tells more",
		},
		{
			name: "demand counts as well",
			changes: []func(*decide.Snapshot){demand, deployed(3, "a", nil), sees(external("asked", "40"), autoscalingv2.MetricStatus{Pods: &autoscalingv2.PodsMetricStatus{
				Metric:  autoscalingv2.MetricIdentifier{Name: build.MetricQueriesPerSecond},
				Current: autoscalingv2.MetricValueStatus{AverageValue: new(resource.MustParse("12300m"))},
			}})},
			want: "True Succeeded: scales on queriesPerSecond 12/50, demand 40/50",
		},
		{name: "a fixed size", changes: []func(*decide.Snapshot){spelled(func(s *v1alpha1.RAGServiceSpec) { s.Scaling = v1alpha1.Scaling{MinReplicas: 3, MaxReplicas: 3} })}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := snapshot(t, tt.changes...)
			if got := condition(s, v1alpha1.ConditionScalingActive); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func condition(s decide.Snapshot, kind string) string {
	c := meta.FindStatusCondition(decide.Conditions(s, decide.Decide(s), nil), kind)
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%s %s: %s", c.Status, c.Reason, c.Message)
}

func TestMaxReplicasSupported(t *testing.T) {
	postgres := func(maxConnections int32) func(*decide.Snapshot) {
		return func(s *decide.Snapshot) {
			s.Service.Spec.UserContext = &v1alpha1.UserContext{Postgres: v1alpha1.PostgresUserContext{PoolSize: 10, MaxConnections: maxConnections}}
		}
	}
	rateLimit := func(perMinute int32) func(*decide.Snapshot) {
		return func(s *decide.Snapshot) {
			s.Service.Spec.Model.RateLimit = &v1alpha1.ModelRateLimit{RequestsPerMinute: perMinute}
		}
	}
	redis := func(maxClients int32) func(*decide.Snapshot) {
		return func(s *decide.Snapshot) {
			s.Service.Spec.Cache.Redis = &v1alpha1.Redis{PoolSize: 20, External: &v1alpha1.ExternalRedis{MaxClients: maxClients}}
		}
	}
	perSecond := func(s *decide.Snapshot) {
		s.Service.Spec.Scaling.Targets = &v1alpha1.ScalingTargets{QueriesPerSecond: new(int32(50))}
	}
	extractive := func(s *decide.Snapshot) {
		s.Service.Spec.Model.ModelProvider = v1alpha1.ModelProvider{Extractive: &v1alpha1.ExtractiveModel{}}
	}
	const managed = "spec.cache.redis: up to 286 of 10000 connections"
	tests := []struct {
		name    string
		changes []func(*decide.Snapshot)
		want    string
	}{
		{
			name: "a limit that nobody declares",
			want: "Unknown LimitUnknown: spec.model: up to 1800 calls a minute at objectives.queriesPerSecond and a cache hit ratio of 0.70 (rateLimit.requestsPerMinute is not declared); " + managed,
		},
		{
			name:    "all is declared and enough",
			changes: []func(*decide.Snapshot){postgres(130), rateLimit(1800)},
			want: "True Succeeded: " + managed + "; spec.userContext.postgres: up to 130 of 130 connections; " +
				"spec.model: up to 1800 of 1800 calls a minute at objectives.queriesPerSecond and a cache hit ratio of 0.70",
		},
		{
			name:    "PostgreSQL takes fewer",
			changes: []func(*decide.Snapshot){postgres(100), rateLimit(1800)},
			want: "False LimitExceeded: spec.userContext.postgres: up to 130 connections, and maxConnections is 100: lower poolSize to 7, or spec.scaling.maxReplicas; " + managed +
				"; spec.model: up to 1800 of 1800 calls a minute at objectives.queriesPerSecond and a cache hit ratio of 0.70",
		},
		{
			name:    "a Redis elsewhere takes fewer",
			changes: []func(*decide.Snapshot){extractive, redis(200)},
			want:    "False LimitExceeded: spec.cache.redis: up to 286 connections, and external.maxClients is 200: lower poolSize or spec.scaling.maxReplicas",
		},
		{
			name:    "a Redis elsewhere of which nobody tells",
			changes: []func(*decide.Snapshot){extractive, redis(0)},
			want:    "Unknown LimitUnknown: spec.cache.redis: up to 286 connections (external.maxClients is not declared)",
		},
		{
			name:    "the model allows less than the replicas ask at their target",
			changes: []func(*decide.Snapshot){perSecond, rateLimit(1800)},
			want: "False LimitExceeded: spec.model: up to 9000 calls a minute at targets.queriesPerSecond on every replica and a cache hit ratio of 0.70, " +
				"and rateLimit.requestsPerMinute is 1800: raise the provider's limit or the cache's share, or lower spec.scaling.maxReplicas; " + managed,
		},
		{
			name:    "without a cache every query asks",
			changes: []func(*decide.Snapshot){rateLimit(6000), func(s *decide.Snapshot) { s.Service.Spec.Cache = nil }},
			want:    "True Succeeded: spec.model: up to 6000 of 6000 calls a minute at objectives.queriesPerSecond",
		},
		{
			name: "the provider says no",
			changes: []func(*decide.Snapshot){rateLimit(1800), func(s *decide.Snapshot) {
				s.Measured = &decide.Measured{Pods: 3, Dependencies: []decide.Dependency{{Role: config.RoleModel, Name: "openai", Unreachable: 2, Reachable: 1, Reason: "RateLimited"}}}
			}},
			want: "False LimitExceeded: spec.model: openai refuses calls of 2 replicas for their rate; " + managed +
				"; spec.model: up to 1800 of 1800 calls a minute at objectives.queriesPerSecond and a cache hit ratio of 0.70",
		},
		{name: "nothing is shared", changes: []func(*decide.Snapshot){extractive, func(s *decide.Snapshot) { s.Service.Spec.Cache = nil }}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := snapshot(t, tt.changes...)
			if got := condition(s, v1alpha1.ConditionMaxReplicasSupported); got != tt.want {
				t.Errorf("got  %q\nwant %q", strings.ReplaceAll(got, "; ", ";\n"), strings.ReplaceAll(tt.want, "; ", ";\n"))
			}
		})
	}
}
