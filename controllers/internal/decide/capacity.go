package decide

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/status"
	"ragops.dev/ragservice/runtime/config"
)

// need is what maxReplicas may ask of something that all replicas share.
type need struct {
	// of is the field of the spec, and limitField the one that declares the limit.
	of, limitField string
	// most is how much, and unit of what.
	most int64
	unit string
	// limit that is known; 0 where it is not.
	limit int64
	// remedy is what to do about too little.
	remedy string
}

// maxReplicasSupported compares what the replicas share with what maxReplicas of them
// may ask of it; nil where they share nothing. Where a limit is known it is judged,
// otherwise the sum is given. It depends on the spec, so that it does not change
// with the load, and on a provider that says no.
func maxReplicasSupported(s Snapshot) *metav1.Condition {
	const kind = v1alpha1.ConditionMaxReplicasSupported
	var kept, exceeded, unknown []string
	for _, n := range needs(s.Service) {
		sum := fmt.Sprintf("%s: up to %d %s", n.of, n.most, n.unit)
		switch {
		case n.limit == 0:
			unknown = append(unknown, sum+" ("+n.limitField+" is not declared)")
		case n.most > n.limit:
			exceeded = append(exceeded, fmt.Sprintf("%s, and %s is %d: %s", sum, n.limitField, n.limit, n.remedy))
		default:
			kept = append(kept, fmt.Sprintf("%s: up to %d of %d %s", n.of, n.most, n.limit, n.unit))
		}
	}
	if refused := rateLimited(s); refused != "" {
		exceeded = append(exceeded, refused)
	}
	all := strings.Join(append(append(exceeded, unknown...), kept...), "; ")
	switch {
	case len(exceeded) > 0:
		return status.False(kind, v1alpha1.ReasonLimitExceeded, all)
	case len(unknown) > 0:
		return status.Unknown(kind, v1alpha1.ReasonLimitUnknown, all)
	case len(kept) > 0:
		return status.True(kind, v1alpha1.ReasonSucceeded, all)
	default:
		return nil
	}
}

// rateLimited says that the model's provider refuses calls for their number, as the
// pods report it.
func rateLimited(s Snapshot) string {
	if s.Measured == nil {
		return ""
	}
	for _, d := range s.Measured.Dependencies {
		if d.Role == config.RoleModel && d.Unreachable > 0 && d.Reason == "RateLimited" {
			return fmt.Sprintf("spec.model: %s refuses calls of %d replicas for their rate", d.Name, d.Unreachable)
		}
	}
	return ""
}

func needs(s *v1alpha1.RAGService) []need {
	var list []need
	if c := s.Spec.Cache; c != nil && c.Redis != nil {
		list = append(list, redisNeed(s, *c.Redis))
	}
	if u := s.Spec.UserContext; u != nil {
		list = append(list, poolNeed(s, "spec.userContext.postgres", u.Postgres.PoolSize, u.Postgres.MaxConnections))
	}
	if v := s.Spec.VectorStore.PGVector; v != nil {
		list = append(list, poolNeed(s, "spec.vectorStore.pgvector", v.PoolSize, v.MaxConnections))
	}
	if s.Spec.Model.Extractive == nil {
		list = append(list, modelNeed(s))
	}
	return list
}

func redisNeed(s *v1alpha1.RAGService, r v1alpha1.Redis) need {
	n := need{
		of: "spec.cache.redis", limitField: "its limit of clients",
		most: build.RedisConnections(s), unit: "connections", limit: build.RedisMaxClients,
		remedy: "lower poolSize or spec.scaling.maxReplicas",
	}
	if r.External != nil {
		n.limitField, n.limit = "external.maxClients", int64(r.External.MaxClients)
	}
	return n
}

func poolNeed(s *v1alpha1.RAGService, field string, size, limit int32) need {
	return need{
		of: field, limitField: "maxConnections",
		most: build.MostPods(s) * int64(size), unit: "connections", limit: int64(limit),
		remedy: fmt.Sprintf("lower poolSize to %d, or spec.scaling.maxReplicas", int64(limit)/build.MostPods(s)),
	}
}

// modelNeed is how often a minute the model is asked by maxReplicas that carry their
// target, or by a service that carries its objective where the target is another.
// What the cache answers at its objective is not asked.
func modelNeed(s *v1alpha1.RAGService) need {
	perSecond, of := float64(s.Spec.Objectives.QueriesPerSecond), "objectives.queriesPerSecond"
	if t := s.Spec.Scaling.Targets; t != nil && t.QueriesPerSecond != nil {
		perSecond, of = float64(*t.QueriesPerSecond)*float64(s.Spec.Scaling.MaxReplicas), "targets.queriesPerSecond on every replica"
	}
	unit := "calls a minute at " + of
	if hits, err := strconv.ParseFloat(string(s.Spec.Objectives.CacheHitRatio), 64); err == nil && s.Spec.Cache != nil {
		perSecond *= 1 - hits
		unit += " and a cache hit ratio of " + string(s.Spec.Objectives.CacheHitRatio)
	}
	n := need{of: "spec.model", limitField: "rateLimit.requestsPerMinute", most: int64(math.Round(perSecond * 60)), unit: unit,
		remedy: "raise the provider's limit or the cache's share, or lower spec.scaling.maxReplicas"}
	if s.Spec.Model.RateLimit != nil {
		n.limit = int64(s.Spec.Model.RateLimit.RequestsPerMinute)
	}
	return n
}
