package server

import (
	"strings"
	"time"

	"ragops.dev/ragservice/runtime/cache"
	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/embed"
	"ragops.dev/ragservice/runtime/upstream"
)

// statusOf returns what /status shows.
func (a *assembled) statusOf(o Options, started time.Time, port *admin) func() config.Status {
	return func() config.Status {
		return config.Status{
			Version: o.Version, Service: o.Config.Service.Name, ConfigHash: o.ConfigHash, Started: started.UTC().Truncate(time.Second),
			Ready: port.ready(), Draining: port.draining.Load(),
			Embedding: a.embeddingStatus(o.Config.Embedding), Dependencies: a.dependencies(), Load: a.server.metrics.Load(),
		}
	}
}

func (a *assembled) embeddingStatus(cfg config.Embedding) config.EmbeddingStatus {
	got := embed.Dimensions(a.embedder)
	return config.EmbeddingStatus{
		Identity: a.embedder.Identity(), Dimensions: got, Configured: cfg.Dimensions,
		Mismatch: got != 0 && cfg.Dimensions != 0 && got != cfg.Dimensions,
	}
}

func (a *assembled) dependencies() []config.DependencyStatus {
	all := []config.DependencyStatus{}
	for _, u := range a.upstreams {
		for _, h := range u.registry.Health() {
			all = append(all, dependency(u.role, h))
		}
	}
	if a.cache != nil && a.cache.Conn() != nil {
		all = append(all, redisDependency(a.cache))
	}
	return all
}

// redisDependency tells whether the cache uses Redis: the breaker opens when it
// does not answer in time, and a probe closes it.
func redisDependency(c *cache.Cache) config.DependencyStatus {
	d := config.DependencyStatus{Name: "redis", Role: config.RoleCache, State: config.Reachable}
	if !c.Available() {
		d.State, d.Reason, d.BreakerOpen = config.Unreachable, "Unavailable", true
	}
	return d
}

// dependency tells the newest call's result.
func dependency(role config.Role, h upstream.Health) config.DependencyStatus {
	d := config.DependencyStatus{
		Name: h.Upstream, Role: role, State: config.Unknown, BreakerOpen: h.Breaker == "open",
		LastSuccess: moment(h.LastSuccess), LastFailure: moment(h.LastFailure),
	}
	switch {
	case h.LastFailure.After(h.LastSuccess):
		d.State, d.Reason = config.Unreachable, camelCase(string(h.Failure))
	case !h.LastSuccess.IsZero():
		d.State = config.Reachable
	}
	return d
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}

// camelCase makes rate_limited RateLimited, as reasons of conditions are written.
func camelCase(word string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(word, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}
