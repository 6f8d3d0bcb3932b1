package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CacheScope is the hard partition of every cache key.
//
// +kubebuilder:validation:Enum=Shared;Tenant;User
type CacheScope string

const (
	// ScopeShared lets every caller see every cached answer.
	ScopeShared CacheScope = "Shared"
	// ScopeTenant keeps the answers of one tenant from every other.
	ScopeTenant CacheScope = "Tenant"
	// ScopeUser keeps the answers of one user from every other.
	ScopeUser CacheScope = "User"
)

// Cache answers repeated questions without asking the model again.
//
// +kubebuilder:validation:XValidation:rule="!has(self.legacyKeys) || !self.legacyKeys || has(self.redis)",message="legacyKeys shares a Redis with the old service: redis must be set"
// +kubebuilder:validation:XValidation:rule="!has(self.legacyKeys) || !self.legacyKeys || self.scope == 'Shared'",message="legacyKeys needs scope Shared: the keys of the old service know no tenant and no user"
// +kubebuilder:validation:XValidation:rule="has(self.redis) || has(self.local)",message="at least one of redis and local must be set: the cache has to keep answers somewhere"
type Cache struct {
	// ttl is how long an answer is served from the cache. Defaults to 5m.
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('720h')",message="must be between 1s and 720h"
	// +optional
	TTL *metav1.Duration `json:"ttl,omitempty"`

	// staleTTL is how much longer an expired answer may be served while a fresh
	// one is made, or when the vector store or the model fails. "0s" never serves
	// a stale answer. Defaults to 0s.
	// +kubebuilder:default="0s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('720h')",message="must be between 0s and 720h"
	// +optional
	StaleTTL *metav1.Duration `json:"staleTTL,omitempty"`

	// scope is the hard partition of every key: an answer never crosses it. Tenant
	// and User need access, which says who is asking. Defaults to Shared.
	// +kubebuilder:default=Shared
	// +optional
	Scope CacheScope `json:"scope,omitempty"`

	// legacyKeys also reads and writes the keys cache:{query} of the old service,
	// to share a Redis with it while traffic moves. Defaults to false.
	// +kubebuilder:default=false
	// +optional
	LegacyKeys bool `json:"legacyKeys,omitempty"`

	// redis keeps answers for all replicas.
	// +optional
	Redis *Redis `json:"redis,omitempty"`

	// local keeps finished responses in each replica's memory, ahead of redis.
	// +optional
	Local *LocalCache `json:"local,omitempty"`

	// semantic also answers questions that mean the same as a cached one.
	// +optional
	Semantic *SemanticCache `json:"semantic,omitempty"`

	// faq answers curated questions with curated answers, ahead of the model.
	// +optional
	FAQ *FAQ `json:"faq,omitempty"`
}

// Redis is one that the operator runs, or one that runs already.
//
// +kubebuilder:validation:XValidation:rule="has(self.managed) != has(self.external)",message="exactly one must be set: managed or external"
type Redis struct {
	// managed runs a Redis for this service: a cache without persistence that
	// evicts the least recently used answers.
	// +optional
	Managed *ManagedRedis `json:"managed,omitempty"`

	// external is a Redis, Valkey or ElastiCache that runs already.
	// +optional
	External *ExternalRedis `json:"external,omitempty"`

	// poolSize is the most connections one replica opens. Defaults to 20.
	// +kubebuilder:default=20
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	PoolSize int32 `json:"poolSize,omitempty"`
}

// ManagedRedis is a Redis that the operator runs.
type ManagedRedis struct {
	// memory that cached answers may take. The container's limit is a quarter and
	// 32Mi above it. Defaults to 256Mi.
	// +kubebuilder:default="256Mi"
	// +kubebuilder:validation:XValidation:rule="quantity(self).isGreaterThan(quantity('15Mi'))",message="must be at least 16Mi"
	// +optional
	Memory resource.Quantity `json:"memory,omitzero"`

	// image of Redis (6.2 or later) or Valkey. Defaults to redis:7.4-alpine.
	// +kubebuilder:default="redis:7.4-alpine"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Image string `json:"image,omitempty"`
}

// RedisMode is how the servers of a Redis stand to each other.
//
// +kubebuilder:validation:Enum=Standalone;Sentinel;Cluster
type RedisMode string

const (
	// RedisStandalone is one server, or one address in front of several.
	RedisStandalone RedisMode = "Standalone"
	// RedisSentinel asks the sentinels at the addresses for the primary.
	RedisSentinel RedisMode = "Sentinel"
	// RedisCluster spreads keys over slots.
	RedisCluster RedisMode = "Cluster"
)

// ExternalRedis is a Redis that runs already.
//
// +kubebuilder:validation:XValidation:rule="self.mode != 'Sentinel' || has(self.sentinelPrimary)",message="sentinelPrimary must be set with mode Sentinel: the name the sentinels know the primary by"
// +kubebuilder:validation:XValidation:rule="self.mode != 'Standalone' || self.addresses.size() == 1",message="mode Standalone takes exactly one address"
type ExternalRedis struct {
	// addresses are host:port of the server, the sentinels or the cluster's seed
	// nodes.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=300
	// +kubebuilder:validation:items:Pattern=`^[A-Za-z0-9.\-\[\]:]+:[0-9]{1,5}$`
	// +listType=atomic
	// +required
	Addresses []string `json:"addresses"`

	// mode is how the servers stand to each other. Defaults to Standalone.
	// +kubebuilder:default=Standalone
	// +optional
	Mode RedisMode `json:"mode,omitempty"`

	// maxClients is how many connections one server takes, as CONFIG GET
	// maxclients says it. Declared, the condition MaxReplicasSupported judges by
	// it.
	// +kubebuilder:validation:Minimum=1
	// +optional
	MaxClients int32 `json:"maxClients,omitempty"`

	// sentinelPrimary is the name the sentinels know the primary by.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	SentinelPrimary string `json:"sentinelPrimary,omitempty"`

	// username of the ACL user; leave it out for the default user.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Username string `json:"username,omitempty"`

	// password of the user.
	// +optional
	Password *SecretKey `json:"password,omitempty"`

	// tls encrypts the connections.
	// +optional
	TLS *RedisTLS `json:"tls,omitempty"`

	// database to select; Cluster has only 0.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=15
	// +optional
	Database int32 `json:"database,omitempty"`
}

// RedisTLS encrypts the connections to Redis.
type RedisTLS struct {
	// ca verifies the server; leave it out for a certificate of a public
	// authority.
	// +optional
	CA *SecretKey `json:"ca,omitempty"`

	// serverName is the name the certificate must have; by default the host of
	// the address.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	ServerName string `json:"serverName,omitempty"`
}

// LocalCache keeps finished responses in each replica's memory.
type LocalCache struct {
	// maxSize of the responses kept. Defaults to 64Mi.
	// +kubebuilder:default="64Mi"
	// +kubebuilder:validation:XValidation:rule="quantity(self).isGreaterThan(quantity('0'))",message="must be greater than 0"
	// +optional
	MaxSize resource.Quantity `json:"maxSize,omitzero"`
}

// SemanticCache answers questions that mean the same as a cached one.
type SemanticCache struct {
	// threshold is the cosine similarity from which on two questions count as the
	// same. A caller may raise it for a query, never lower it. Defaults to "0.92".
	// +kubebuilder:default="0.92"
	// +optional
	Threshold Ratio `json:"threshold,omitempty"`

	// maxEntries is how many questions a partition keeps to compare with. Defaults
	// to 10000.
	// +kubebuilder:default=10000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	MaxEntries int32 `json:"maxEntries,omitempty"`
}

// FAQ is a list of curated questions with their answers.
type FAQ struct {
	// configMap holds the pairs: a .yaml, .json or .csv key with question and
	// answer. A change is read while running.
	// +required
	ConfigMap ConfigMapKey `json:"configMap"`

	// threshold is the cosine similarity from which on a question counts as the
	// curated one; an equal question always does. Defaults to "0.95".
	// +kubebuilder:default="0.95"
	// +optional
	Threshold Ratio `json:"threshold,omitempty"`
}
