package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UserContext adds what is known about the user to the prompt.
type UserContext struct {
	// postgres looks the user up in a database.
	// +required
	Postgres PostgresUserContext `json:"postgres"`
}

// PostgresUserContext looks the user up in PostgreSQL.
type PostgresUserContext struct {
	// dsn is the connection string, such as
	// postgres://user:password@host:5432/database.
	// +required
	DSN SecretKey `json:"dsn"`

	// query selects what is known; $1 is the user's id. All columns of the rows
	// go into the prompt.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8192
	// +kubebuilder:validation:XValidation:rule="self.contains('$1')",message="must contain $1, which stands for the user's id"
	// +required
	Query string `json:"query"`

	// timeout bounds the look-up; when it runs out the answer is made without.
	// Defaults to 250ms.
	// +kubebuilder:default="250ms"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms') && duration(self) <= duration('30s')",message="must be between 1ms and 30s"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// poolSize is the most connections one replica opens. Defaults to 10.
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	PoolSize int32 `json:"poolSize,omitempty"`

	// maxConnections is how many connections the server has for this service, such
	// as max_connections, the limit of a role or the pool of a PgBouncer.
	// Declared, the condition MaxReplicasSupported judges by it.
	// +kubebuilder:validation:Minimum=1
	// +optional
	MaxConnections int32 `json:"maxConnections,omitempty"`
}

// Access decides who may query.
//
// +kubebuilder:validation:XValidation:rule="has(self.apiKeys) || has(self.jwt)",message="at least one must be set: apiKeys or jwt"
type Access struct {
	// apiKeys lets holders of a key in.
	// +optional
	APIKeys *APIKeyAccess `json:"apiKeys,omitempty"`

	// jwt lets holders of a signed token in. With the scope ragservice:manage, the
	// holder may change documents, curated answers and the cache.
	// +optional
	JWT *JWTAccess `json:"jwt,omitempty"`

	// rateLimit bounds what one caller may ask.
	// +optional
	RateLimit *RateLimit `json:"rateLimit,omitempty"`
}

// APIKeyAccess lets holders of a key in.
type APIKeyAccess struct {
	// secret holds the keys: a YAML list of entries with key (or its sha256),
	// tenant, user and manage. With manage: true, the holder may change documents,
	// curated answers and the cache. A change is read while running.
	// +required
	Secret SecretKey `json:"secret"`
}

// JWTAccess lets holders of a signed token in.
type JWTAccess struct {
	// issuer that the token's iss claim must equal.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +required
	Issuer string `json:"issuer"`

	// audiences, of which the token's aud claim must hold one.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=2048
	// +listType=atomic
	// +required
	Audiences []string `json:"audiences"`

	// jwksURL is where the issuer publishes its keys.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https']",message="must be a http or https URL"
	// +required
	JWKSURL string `json:"jwksURL"`

	// tenantClaim names the claim that holds the tenant. Defaults to tenant.
	// +kubebuilder:default=tenant
	// +kubebuilder:validation:MaxLength=253
	// +optional
	TenantClaim string `json:"tenantClaim,omitempty"`

	// userClaim names the claim that holds the user's id. Defaults to sub.
	// +kubebuilder:default=sub
	// +kubebuilder:validation:MaxLength=253
	// +optional
	UserClaim string `json:"userClaim,omitempty"`
}

// RateLimit bounds what one caller may ask, over all replicas.
type RateLimit struct {
	// requestsPerMinute of one API key or one user of a token.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +required
	RequestsPerMinute int32 `json:"requestsPerMinute"`
}
