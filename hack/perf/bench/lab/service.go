package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ragops.dev/ragservice/runtime/config"
)

// Kind is a service that can be measured.
type Kind string

// The services. README.md of hack/perf/baselines says what the variants are.
const (
	Runtime      Kind = "runtime"
	RuntimeRedis Kind = "runtime-redis" // without its local tier
	FastAPI      Kind = "fastapi"
	FastAPIGuide Kind = "fastapi-guide"
	Flask        Kind = "flask"
	FlaskGuide   Kind = "flask-guide"
	FloorMemory  Kind = "floor-memory"
	FloorRedis   Kind = "floor-redis"
	FloorPath    Kind = "floor-path"
)

// threads of the tuned Flask service, in each of its workers.
const threads = "64"

// Around is what surrounds a service.
type Around struct {
	// StandIns and Redis are addresses.
	StandIns, Redis string
	// DSN of PostgreSQL; empty for no user context.
	DSN string
	// Patient gives Redis and PostgreSQL a second each, for scenarios in which
	// they are slow on purpose.
	Patient bool
	// Profiling has the runtime serve profiles.
	Profiling bool
}

// Service is a service that runs.
type Service struct {
	*Process

	Kind Kind
	// URL without a path.
	URL string
	// Admin is the URL of the runtime's port for metrics and profiles, without a
	// path; empty for the others.
	Admin string
	// Took is the time from its start to its first answer to GET /health.
	Took time.Duration
}

// StartService runs a service on the cores for services and waits until it is
// ready.
func (l *Lab) StartService(ctx context.Context, kind Kind, around Around) (*Service, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s := &Service{Kind: kind, URL: "http://" + address}
	args, env, err := l.command(ctx, s, address, around)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	p, err := l.start(string(kind), l.ServiceCores, env, nil, args...)
	if err != nil {
		return nil, err
	}
	s.Process = p
	err = p.until(ctx, func(ctx context.Context) bool { return answers(ctx, s.URL+"/health") })
	s.Took = time.Since(began)
	return s, err
}

// command is how a service is run: one server process per core for FastAPI and
// three for gunicorn, as their documents have it for one core.
func (l *Lab) command(ctx context.Context, s *Service, address string, around Around) (args, env []string, err error) {
	env = []string{
		"REDIS_URL=redis://" + around.Redis + "/0", "POSTGRES_DSN=" + around.DSN, "THREADS=" + threads, "VARIANT=tuned", "PYTHONDONTWRITEBYTECODE=1",
		"MODEL_URL=http://" + around.StandIns + "/v1", "VECTOR_URL=http://" + around.StandIns + "/query",
		"PYTHONPATH=" + filepath.Join(l.root, "hack/perf/baselines"),
	}
	guide := func() { env = append(env, "VARIANT=guide", "THREADS=1") }
	gunicorn := []string{"/usr/bin/gunicorn", "--bind", address, "--workers", "3", "--backlog", "4096", "--log-level", "error"}
	uvicorn := []string{
		"/usr/bin/uvicorn", "fastapi_service:app", "--port", port(address), "--loop", "uvloop", "--http", "httptools",
		"--backlog", "4096", "--no-access-log", "--log-level", "error",
	}
	serve := []string{l.Binary("serve"), "-address", address, "-redis", around.Redis, "-standins", around.StandIns, "-kind"}
	switch s.Kind {
	case Runtime, RuntimeRedis:
		path, err := l.runtimeConfig(ctx, s, address, around)
		return []string{l.Binary("runtime"), "--config", path}, nil, err
	case FastAPIGuide:
		guide()
		return uvicorn, env, nil
	case FastAPI:
		return uvicorn, env, nil
	case FlaskGuide:
		guide()
		return append(gunicorn, "--worker-class", "sync", "flask_service:app"), env, nil
	case Flask:
		return append(gunicorn, "--worker-class", "gthread", "--threads", threads, "--keep-alive", "75", "--worker-connections", "8192", "flask_service:app"), env, nil
	case FloorMemory, FloorRedis, FloorPath:
		return append(serve, string(s.Kind)), nil, nil
	}
	return nil, nil, fmt.Errorf("there is no service %q", s.Kind)
}

// runtimeConfig writes the configuration of hack/perf/baselines/runtime.yaml with
// the addresses of this lab.
func (l *Lab) runtimeConfig(ctx context.Context, s *Service, address string, around Around) (string, error) {
	c, err := config.Load(filepath.Join(l.root, "hack/perf/baselines/runtime.yaml"))
	if err != nil {
		return "", err
	}
	c.Server.QueryAddress = address
	if c.Server.AdminAddress, err = freeAddress(ctx); err != nil {
		return "", err
	}
	s.Admin, c.Server.Profiling = "http://"+c.Server.AdminAddress, around.Profiling
	c.Model.OpenAI.BaseURL = "http://" + around.StandIns + "/v1"
	c.Embedding.OpenAI.BaseURL = c.Model.OpenAI.BaseURL
	c.VectorStore.HTTP.URL = "http://" + around.StandIns + "/query"
	c.Cache.Redis.Addresses = []string{around.Redis}
	if s.Kind == RuntimeRedis {
		c.Cache.Local = nil
	}
	if around.DSN != "" {
		file := filepath.Join(l.Folder, "dsn-"+port(address))
		if err := os.WriteFile(file, []byte(around.DSN), 0o600); err != nil {
			return "", err
		}
		c.UserContext = &config.UserContext{Postgres: config.PostgresUserContext{
			DSNFile: file, Query: "SELECT name, value FROM user_preferences WHERE user_id = $1 AND active",
		}}
	}
	if around.Patient {
		c.Cache.Budget = time.Second
		c.UserContext.Postgres.Timeout = time.Second
	}
	c.SetDefaults()
	data, err := c.Marshal()
	if err != nil {
		return "", err
	}
	path := filepath.Join(l.Folder, "runtime-"+port(address)+".yaml")
	return path, os.WriteFile(path, data, 0o600)
}
