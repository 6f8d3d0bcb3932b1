package config

import "time"

// Server is where and how queries are taken in.
type Server struct {
	// QueryAddress listens for queries; ":8080" by default.
	QueryAddress string `yaml:"queryAddress,omitempty"`
	// AdminAddress listens for probes, metrics and status; ":9090" by default.
	AdminAddress string `yaml:"adminAddress,omitempty"`
	// MaxInFlight bounds the queries worked on at once; 8192 by default.
	MaxInFlight int `yaml:"maxInFlight,omitempty"`
	// MaxQueued bounds the queries that wait for a place; 1024 by default.
	MaxQueued int `yaml:"maxQueued,omitempty"`
	// QueueTimeout is how long one waits at most, which is no longer than QueryTimeout;
	// 1s by default. While the queue does not drain it is 100ms.
	QueueTimeout time.Duration `yaml:"queueTimeout,omitempty"`
	// QueryTimeout bounds one query from first to last byte; by default 2s more
	// than the model's timeout.
	QueryTimeout time.Duration `yaml:"queryTimeout,omitempty"`
	// MaxBodyBytes bounds a request body; 1 MiB by default. The query itself is
	// bounded by MaxQueryBytes.
	MaxBodyBytes int64 `yaml:"maxBodyBytes,omitempty"`
	// MaxQueryBytes bounds one question; 32 KiB by default.
	MaxQueryBytes int `yaml:"maxQueryBytes,omitempty"`
	// DrainDelay is how long the runtime still takes queries after SIGTERM, for
	// endpoints to move away; 5s by default.
	DrainDelay time.Duration `yaml:"drainDelay,omitempty"`
	// DrainTimeout is how long queries in flight may still take after that;
	// by default QueryTimeout.
	DrainTimeout time.Duration `yaml:"drainTimeout,omitempty"`
	// Profiling serves pprof on the admin port; off by default.
	Profiling bool `yaml:"profiling,omitempty"`
}

// Telemetry is logs and traces.
type Telemetry struct {
	// LogLevel is debug, info (the default), warn or error. Queries are logged
	// one by one at debug; those that fail, at warn.
	LogLevel string `yaml:"logLevel,omitempty"`
	// LogQueries also logs the text of questions; off by default.
	LogQueries bool `yaml:"logQueries,omitempty"`
	// OTLPEndpoint takes traces over OTLP/HTTP, such as
	// http://collector:4318; empty means no traces.
	OTLPEndpoint string `yaml:"otlpEndpoint,omitempty"`
	// TraceRatio is the share of queries traced when the caller does not say;
	// 0.1 by default.
	TraceRatio *float64 `yaml:"traceRatio,omitempty"`
}
