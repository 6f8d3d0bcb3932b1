package config

import "time"

// Scope is the hard partition of every cache key.
type Scope string

// The scopes, as in the RAGService API.
const (
	ScopeShared Scope = "Shared"
	ScopeTenant Scope = "Tenant"
	ScopeUser   Scope = "User"
)

// Cache answers repeated questions. At least one of Redis and Local is set.
type Cache struct {
	// TTL of an answer; 5m by default.
	TTL time.Duration `yaml:"ttl,omitempty"`
	// StaleTTL is how much longer an expired answer may be served; 0 by default.
	StaleTTL time.Duration `yaml:"staleTTL,omitempty"`
	// Scope is Shared by default.
	Scope Scope `yaml:"scope,omitempty"`
	// LegacyKeys also reads and writes cache:{query}.
	LegacyKeys bool `yaml:"legacyKeys,omitempty"`
	// Budget is all the time that Redis may take from one query; 25ms by default.
	Budget time.Duration `yaml:"budget,omitempty"`
	// WriteQueue is how many answers may wait to be written to Redis; 1024 by
	// default. When it is full the oldest wait is not lengthened: the answer is
	// dropped and counted.
	WriteQueue int            `yaml:"writeQueue,omitempty"`
	Redis      *Redis         `yaml:"redis,omitempty"`
	Local      *LocalCache    `yaml:"local,omitempty"`
	Semantic   *SemanticCache `yaml:"semantic,omitempty"`
	FAQ        *FAQ           `yaml:"faq,omitempty"`
}

// RedisMode is how the servers of a Redis stand to each other.
type RedisMode string

// The modes, as in the RAGService API.
const (
	RedisStandalone RedisMode = "Standalone"
	RedisSentinel   RedisMode = "Sentinel"
	RedisCluster    RedisMode = "Cluster"
)

// Redis is where it is and how to be let in.
type Redis struct {
	// Mode is Standalone by default.
	Mode RedisMode `yaml:"mode,omitempty"`
	// Addresses are host:port.
	Addresses []string `yaml:"addresses"`
	// SentinelPrimary is the name the sentinels know the primary by.
	SentinelPrimary string `yaml:"sentinelPrimary,omitempty"`
	Username        string `yaml:"username,omitempty"`
	// PasswordFile is read again when it changes.
	PasswordFile string    `yaml:"passwordFile,omitempty"`
	TLS          *RedisTLS `yaml:"tls,omitempty"`
	Database     int       `yaml:"database,omitempty"`
	// PoolSize is the most connections opened; 20 by default.
	PoolSize int `yaml:"poolSize,omitempty"`
}

// RedisTLS encrypts the connections.
type RedisTLS struct {
	// CAFile verifies the server; empty takes the public authorities.
	CAFile     string `yaml:"caFile,omitempty"`
	ServerName string `yaml:"serverName,omitempty"`
}

// LocalCache keeps finished responses in memory.
type LocalCache struct {
	// MaxBytes of the responses kept; 64 MiB by default.
	MaxBytes int64 `yaml:"maxBytes,omitempty"`
}

// SemanticCache answers questions that mean the same as a cached one.
type SemanticCache struct {
	// Threshold is a cosine similarity; 0.92 by default.
	Threshold float64 `yaml:"threshold,omitempty"`
	// MaxEntries per partition; 10,000 by default.
	MaxEntries int `yaml:"maxEntries,omitempty"`
}

// FAQ is a file of curated questions with their answers.
type FAQ struct {
	// File is .yaml, .json or .csv; read again when it changes.
	File string `yaml:"file"`
	// Threshold is a cosine similarity; 0.95 by default.
	Threshold float64 `yaml:"threshold,omitempty"`
}

// UserContext looks users up.
type UserContext struct {
	Postgres PostgresUserContext `yaml:"postgres"`
}

// PostgresUserContext looks users up in PostgreSQL.
type PostgresUserContext struct {
	DSNFile string `yaml:"dsnFile"`
	// Query selects what is known; $1 is the user's id.
	Query string `yaml:"query"`
	// Timeout bounds the look-up; 250ms by default.
	Timeout time.Duration `yaml:"timeout,omitempty"`
	// PoolSize is the most connections opened; 10 by default.
	PoolSize int `yaml:"poolSize,omitempty"`
}

// Access decides who may query. At least one of APIKeys and JWT is set.
type Access struct {
	APIKeys *APIKeys `yaml:"apiKeys,omitempty"`
	JWT     *JWT     `yaml:"jwt,omitempty"`
	// RequestsPerMinute of one caller over all replicas; 0 for no limit.
	RequestsPerMinute int `yaml:"requestsPerMinute,omitempty"`
}

// APIKeys lets holders of a key in.
type APIKeys struct {
	// File is a YAML list of keys; read again when it changes.
	File string `yaml:"file"`
}

// JWT lets holders of a signed token in.
type JWT struct {
	Issuer    string   `yaml:"issuer"`
	Audiences []string `yaml:"audiences"`
	JWKSURL   string   `yaml:"jwksURL"`
	// TenantClaim is "tenant" by default.
	TenantClaim string `yaml:"tenantClaim,omitempty"`
	// UserClaim is "sub" by default.
	UserClaim string `yaml:"userClaim,omitempty"`
}
