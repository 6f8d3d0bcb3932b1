package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"ragops.dev/ragservice/runtime/access"
	"ragops.dev/ragservice/runtime/cache"
	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/embed"
	"ragops.dev/ragservice/runtime/generate"
	"ragops.dev/ragservice/runtime/internal/redisconn"
	"ragops.dev/ragservice/runtime/query"
	"ragops.dev/ragservice/runtime/ratelimit"
	"ragops.dev/ragservice/runtime/retrieve"
	"ragops.dev/ragservice/runtime/telemetry"
	"ragops.dev/ragservice/runtime/upstream"
	"ragops.dev/ragservice/runtime/usercontext"
)

// closer is a Close that cannot fail.
type closer func()

// Close implements io.Closer.
func (c closer) Close() error {
	c()
	return nil
}

// assembled is the service with all that has to be closed after it.
type assembled struct {
	server    *Server
	service   *query.Service
	embedder  embed.Embedder
	upstreams []roleUpstreams
	cache     *cache.Cache // nil without a cache
	tracer    *telemetry.Tracer
	// connectors are the parts that can connect to their servers ahead of the first
	// query.
	connectors []connector
	closers    []io.Closer
}

// roleUpstreams are the servers asked for one purpose.
type roleUpstreams struct {
	role     config.Role
	registry *upstream.Registry
}

// assemble makes the service that the configuration describes. No other server
// has to be there for it.
func assemble(ctx context.Context, o Options, registry *prometheus.Registry, metrics *telemetry.Metrics) (_ *assembled, err error) {
	a := &assembled{}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close(ctx))
		}
	}()
	cfg := o.Config
	name := cfg.Service.Namespace + "/" + cfg.Service.Name
	if a.tracer, err = telemetry.NewTracer(ctx, cfg, o.Version); err != nil {
		return nil, err
	}
	calls := telemetry.NewUpstreams(registry)
	embedder, err := embed.New(cfg.Embedding, a.upstreamsOf(config.RoleEmbedding, calls))
	if err != nil {
		return nil, err
	}
	a.connects(embedder)
	a.embedder = embed.Cached(embedder, cfg.Embedding.CacheEntries)
	store, err := retrieve.Open(ctx, cfg.VectorStore, a.embedder, a.upstreamsOf(config.RoleVectorStore, calls))
	if err != nil {
		return nil, err
	}
	a.connects(store)
	a.closers = append(a.closers, store)
	generator, err := generate.New(cfg.Model, a.upstreamsOf(config.RoleModel, calls))
	if err != nil {
		return nil, err
	}
	a.connects(generator)
	if cfg.Cache != nil {
		epoch, err := epochOf(cfg, embedder, generator, store)
		if err != nil {
			return nil, err
		}
		if a.cache, err = cache.New(*cfg.Cache, epoch, cache.WithService(name), cache.WithEmbed(a.embedder.Embed)); err != nil {
			return nil, err
		}
		registry.MustRegister(a.cache)
	}
	parts := query.Parts{Cache: a.cache, Embedder: a.embedder, Store: store, Generator: generator, Metrics: metrics, Tracer: a.tracer}
	if cfg.UserContext != nil {
		users, err := usercontext.Open(*cfg.UserContext, a.upstreamsOf(config.RoleUserContext, calls))
		if err != nil {
			return nil, err
		}
		a.connects(users)
		a.closers = append(a.closers, closer(users.Close))
		parts.Users = users
	}
	a.service = query.New(cfg, parts)
	a.server = newServer(cfg, a.service, metrics, o.Log)
	if cfg.Access != nil {
		if err := a.guard(*cfg.Access, registry, name); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// probe finds out how long the vectors are, behind the start.
func (a *assembled) probe(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	var probing sync.WaitGroup
	probing.Go(func() { embed.Probe(ctx, a.embedder) })
	a.closers = append(a.closers, closer(func() {
		stop()
		probing.Wait()
	}))
}

// guard lets in only who is named, at most as often as is allowed.
func (a *assembled) guard(cfg config.Access, registry *prometheus.Registry, service string) (err error) {
	if a.server.access, err = access.Open(cfg); err != nil {
		return err
	}
	a.closers = append(a.closers, a.server.access)
	if cfg.RequestsPerMinute == 0 {
		return nil
	}
	var conn *redisconn.Conn // without one each replica counts by itself
	if a.cache != nil {
		conn = a.cache.Conn()
	}
	if a.server.rate, err = ratelimit.New(conn, service, cfg.RequestsPerMinute); err != nil {
		return err
	}
	registry.MustRegister(a.server.rate)
	a.closers = append(a.closers, closer(a.server.rate.Close))
	return nil
}

// upstreamsOf makes the registry of one role.
func (a *assembled) upstreamsOf(role config.Role, calls *telemetry.Upstreams) *upstream.Registry {
	registry := &upstream.Registry{Observer: calls.Of(role)}
	a.upstreams = append(a.upstreams, roleUpstreams{role, registry})
	return registry
}

// epochOf names all that answers depend on beside the request. Where one of them
// changes, older answers are left behind.
func epochOf(cfg *config.Config, embedder embed.Embedder, generator generate.Generator, store retrieve.Store) (string, error) {
	// How the store is asked; where its password lies does not matter, but a
	// change of that is rare and costs no more than a cold cache.
	index, err := (&config.Config{VectorStore: cfg.VectorStore, UserContext: cfg.UserContext}).Marshal()
	if err != nil {
		return "", err
	}
	identity := ""
	if s, ok := store.(interface{ Identity() string }); ok {
		identity = s.Identity()
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q", generator.Identity(), cfg.Model.SystemPrompt, embedder.Identity(), identity, index))
	return hex.EncodeToString(sum[:8]), nil
}

// close ends the service: work in flight, then the cache's write queue, then the
// connections.
func (a *assembled) close(ctx context.Context) error {
	var errs []error
	if a.service != nil {
		errs = append(errs, a.service.Close(ctx))
	}
	if a.cache != nil {
		errs = append(errs, a.cache.Close(ctx))
	}
	for _, c := range a.closers {
		errs = append(errs, c.Close())
	}
	a.tracer.Close(ctx)
	return errors.Join(errs...)
}
