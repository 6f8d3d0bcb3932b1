package decide_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/decide"
	"ragops.dev/ragservice/runtime/config"
)

func measured(m decide.Measured) func(*decide.Snapshot) {
	return func(s *decide.Snapshot) { s.Measured = &m }
}

func TestObjectives(t *testing.T) {
	busy := config.LoadStatus{
		Queries: 20, Succeeded: 20, Hits: 20, QueriesPerSecond: 120, MeanSeconds: 0.4, P95Seconds: 2.5,
		SuccessRatio: new(1.0), HitRatio: new(0.5),
	}
	uses := func(s *decide.Snapshot) {
		metric := func(name corev1.ResourceName, value string) autoscalingv2.MetricStatus {
			return autoscalingv2.MetricStatus{Resource: &autoscalingv2.ResourceMetricStatus{
				Name: name, Current: autoscalingv2.MetricValueStatus{AverageValue: new(resource.MustParse(value))},
			}}
		}
		s.Autoscaler = &autoscalingv2.HorizontalPodAutoscaler{}
		s.Autoscaler.Status.CurrentMetrics = []autoscalingv2.MetricStatus{metric("cpu", "130m"), metric("memory", "500Mi")}
	}
	tests := []struct {
		name       string
		changes    []func(*decide.Snapshot)
		want       []v1alpha1.ObjectiveStatus
		wantStatus metav1.ConditionStatus
		wantSays   string
	}{
		{
			name: "nothing was measured",
			want: []v1alpha1.ObjectiveStatus{
				{Name: "queriesPerSecond", Target: "100"}, {Name: "averageLatency", Target: "1s"}, {Name: "p95Latency", Target: "2s"},
				{Name: "successRatio", Target: "0.99"}, {Name: "cacheHitRatio", Target: "0.70"},
				{Name: "cpuPercent", Target: "80"}, {Name: "memoryPercent", Target: "85"},
			},
			wantStatus: metav1.ConditionUnknown, wantSays: "fewer than 20 queries in the last minute",
		},
		{
			name:    "some are missed",
			changes: []func(*decide.Snapshot){measured(decide.Measured{Pods: 2, Load: busy}), uses},
			want: []v1alpha1.ObjectiveStatus{
				{Name: "queriesPerSecond", Target: "100", Observed: "120", Met: new(true)},
				{Name: "averageLatency", Target: "1s", Observed: "400ms", Met: new(true)},
				{Name: "p95Latency", Target: "2s", Observed: "2.5s", Met: new(false)},
				{Name: "successRatio", Target: "0.99", Observed: "1", Met: new(true)},
				{Name: "cacheHitRatio", Target: "0.70", Observed: "0.5", Met: new(false)},
				{Name: "cpuPercent", Target: "80", Observed: "50", Met: new(true)},
				{Name: "memoryPercent", Target: "85", Observed: "100", Met: new(false)},
			},
			wantStatus: metav1.ConditionFalse,
			wantSays:   "p95Latency is 2.5s, want 2s; cacheHitRatio is 0.5, want 0.70; memoryPercent is 100, want 85",
		},
		{
			name: "less traffic than declared is nobody's fault",
			changes: []func(*decide.Snapshot){
				measured(decide.Measured{Pods: 2, Load: config.LoadStatus{Queries: 20, Succeeded: 20, QueriesPerSecond: 3, SuccessRatio: new(1.0), HitRatio: new(0.9)}}),
				spelled(func(s *v1alpha1.RAGServiceSpec) {
					s.Objectives = v1alpha1.Objectives{QueriesPerSecond: 100, P95Latency: &metav1.Duration{Duration: time.Second}}
				}),
			},
			want: []v1alpha1.ObjectiveStatus{
				{Name: "queriesPerSecond", Target: "100", Observed: "3"},
				{Name: "p95Latency", Target: "1s", Observed: "0s", Met: new(true)},
			},
			wantStatus: metav1.ConditionTrue, wantSays: "kept: p95Latency",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := snapshot(t, tt.changes...)
			if diff := cmp.Diff(tt.want, decide.Objectives(s)); diff != "" {
				t.Errorf("objectives differ (-want +got):\n%s", diff)
			}
			c := meta.FindStatusCondition(decide.Conditions(s, decide.Decide(s), nil), v1alpha1.ConditionObjectivesMet)
			if c == nil || c.Status != tt.wantStatus || c.Message != tt.wantSays {
				t.Errorf("ObjectivesMet is %+v, want %s: %s", c, tt.wantStatus, tt.wantSays)
			}
		})
	}
}

func TestDependencies(t *testing.T) {
	model := decide.Dependency{Role: config.RoleModel, Name: "openai", Reachable: 3}
	down := decide.Dependency{Role: config.RoleVectorStore, Name: "pgvector", Reachable: 1, Unreachable: 2, Reason: "Timeout"}
	cacheDown := decide.Dependency{Role: config.RoleCache, Name: "redis", Unreachable: 3, Reason: "Refused"}
	external := spelled(func(s *v1alpha1.RAGServiceSpec) {
		s.Cache.Redis = &v1alpha1.Redis{PoolSize: 20, External: &v1alpha1.ExternalRedis{Addresses: []string{"redis:6379"}, Mode: v1alpha1.RedisStandalone}}
	})
	tests := []struct {
		name     string
		measured decide.Measured
		change   func(*decide.Snapshot)
		kind     string
		want     string
	}{
		{"all reached", decide.Measured{Pods: 3, Dependencies: []decide.Dependency{model}}, nil, v1alpha1.ConditionDependenciesReachable, "True Succeeded: the pods reach all that they ask"},
		{"none asked", decide.Measured{Pods: 3}, nil, v1alpha1.ConditionDependenciesReachable, "True Succeeded: the pods ask no other server"},
		{"not asked yet", decide.Measured{Pods: 1, Dependencies: []decide.Dependency{{Role: config.RoleModel, Name: "openai", Unknown: 1}}}, nil, v1alpha1.ConditionDependenciesReachable, "Unknown Measuring: not asked yet: openai (model)"},
		{"one fails", decide.Measured{Pods: 3, Dependencies: []decide.Dependency{model, down}}, nil, v1alpha1.ConditionDependenciesReachable, "False NotReachable: pgvector (vectorStore) is not reached by 2 of 3 replicas: Timeout"},
		{"the cache is no dependency", decide.Measured{Pods: 3, Dependencies: []decide.Dependency{model, cacheDown}}, nil, v1alpha1.ConditionDependenciesReachable, "True Succeeded: the pods reach all that they ask"},
		{"a Redis elsewhere is seen by the pods", decide.Measured{Pods: 3, Dependencies: []decide.Dependency{cacheDown}}, external, v1alpha1.ConditionCacheAvailable, "False NotReachable: redis (cache) is not reached by 3 of 3 replicas: Refused; queries are answered without it"},
		{"vectors of another length", decide.Measured{Pods: 3, Mismatch: &decide.Mismatch{Configured: 384, Observed: 768}}, nil, v1alpha1.ConditionReady, "False EmbeddingMismatch: the embedding gives vectors of 768 dimensions, and spec.embedding.dimensions says 384: no question can be answered until they agree"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			changes := []func(*decide.Snapshot){deployed(2, "a", nil), measured(tt.measured)}
			if tt.change != nil {
				changes = append(changes, tt.change)
			}
			s := snapshot(t, changes...)
			c := meta.FindStatusCondition(decide.Conditions(s, decide.Decide(s), nil), tt.kind)
			if c == nil {
				t.Fatalf("no condition %s", tt.kind)
			}
			if got := string(c.Status) + " " + c.Reason + ": " + c.Message; got != tt.want {
				t.Errorf("%s is %s, want %s", tt.kind, got, tt.want)
			}
		})
	}
}

// TestRound checks that two looks at the same load look the same.
func TestRound(t *testing.T) {
	one := decide.Round(config.LoadStatus{Queries: 600, Succeeded: 598, Hits: 400, QueriesPerSecond: 10.0421, MeanSeconds: 0.12345, HitRatio: new(0.66889)})
	two := decide.Round(config.LoadStatus{Queries: 604, Succeeded: 604, Hits: 404, QueriesPerSecond: 10.0399, MeanSeconds: 0.12339, HitRatio: new(0.66891)})
	if diff := cmp.Diff(one, two); diff != "" {
		t.Errorf("two looks at one load differ:\n%s", diff)
	}
}
