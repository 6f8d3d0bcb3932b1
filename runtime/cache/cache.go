// Package cache keeps answers: in the memory of this process, in Redis for all
// replicas, by meaning, and curated ones (FAQ). It partitions hard by who asks,
// and holds finished response bodies, so that a hit is neither decoded nor
// encoded. It knows nothing of models, stores or HTTP handlers.
package cache

import "time"

// Tier is where an answer came from; the value of the X-Cache header.
type Tier string

// The tiers. Miss is none of them.
const (
	TierLocal    Tier = "HIT-L1"
	TierRedis    Tier = "HIT-L2"
	TierSemantic Tier = "SEMANTIC"
	TierFAQ      Tier = "FAQ"
	TierStale    Tier = "STALE"
	TierMiss     Tier = "MISS"
)

// Entry is a cached response.
type Entry struct {
	// Body is the finished response body. It is shared: nobody may change it.
	Body []byte
	// Stored is when the answer was made.
	Stored time.Time
}
