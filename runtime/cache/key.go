package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"ragops.dev/ragservice/runtime/config"
)

const (
	// keyPrefix starts every versioned key; the version is that of the frame too.
	keyPrefix = "rag:v1:"
	// legacyPrefix starts the keys shared with the old service.
	legacyPrefix = "cache:"
)

// Request is all that an answer depends on, as far as the caller said it. The
// rest (model, prompt, index, embedding) is in the epoch.
type Request struct {
	// Tenant and User are who asks, as proven by access control. Only those that
	// the configured scope partitions by count.
	Tenant, User string
	// Representation names the form of the response body, such as "legacy".
	Representation string
	// Question is the text, unchanged. Exact tiers match it byte for byte.
	Question string
	// Options is a canonical encoding of every option that is not the default,
	// and of anything else that the answer depends on, such as what is known of
	// the user. Two requests with other options never share an answer.
	Options string
	// Legacy marks a plain legacy query without identity or options. It uses
	// cache:{query} where legacy keys are on.
	Legacy bool
}

// Key identifies an answer within one cache. The zero Key is not cacheable.
type Key struct {
	id        [sha256.Size]byte
	space     [8]byte // representation and options: what semantic look-ups may not mix; zero without them
	partition string
	question  string
	legacy    bool
	moment    moment
}

// Cacheable tells whether an answer to the request may be kept at all. It may
// not when the scope asks for an identity that the request does not have: nobody
// is not a tenant whose answers the next nobody may read.
func (k Key) Cacheable() bool { return k.partition != "" }

// Key returns the request's key. It remembers when it was made: an answer that
// was begun before an invalidation is not kept after it.
func (c *Cache) Key(r Request) Key {
	k := Key{partition: partition(c.cfg.Load().Scope, r.Tenant, r.User), question: r.Question}
	if k.partition == "" {
		return Key{}
	}
	k.legacy = r.Legacy && c.cfg.Load().LegacyKeys
	k.moment = c.log.Load().now()

	var stack [512]byte
	if c.semantic != nil {
		sum := sha256.Sum256(appendFields(stack[:0], r.Representation, r.Options))
		copy(k.space[:], sum[:])
	}
	k.id = sha256.Sum256(appendFields(stack[:0], k.partition, r.Representation, r.Options, r.Question))
	return k
}

// appendFields writes each field after its length, so that no two lists of
// fields have the same encoding.
func appendFields(b []byte, fields ...string) []byte {
	for _, f := range fields {
		b = binary.AppendUvarint(b, uint64(len(f)))
		b = append(b, f...)
	}
	return b
}

// partition names the hard partition of a caller. Names are hashed: they may
// hold any character, and a Redis that others read should not list users.
func partition(scope config.Scope, tenant, user string) string {
	switch scope {
	case config.ScopeTenant:
		if tenant == "" {
			return ""
		}
		return tenantPartition(tenant)
	case config.ScopeUser:
		if user == "" {
			return ""
		}
		return userPartition(tenant, user)
	default:
		return "shared"
	}
}

func tenantPartition(tenant string) string { return "t-" + hashName(tenant) }

// userPartition starts with the tenant, so that all users of a tenant can be
// found; users of the same name in two tenants are two users.
func userPartition(tenant, user string) string {
	return "u-" + hashName(tenant) + "-" + hashName(user)
}

func hashName(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

// redisKey is where the key's answer is in Redis.
func (k Key) redisKey(epoch string) string {
	if k.legacy {
		return legacyPrefix + k.question
	}
	var stack [192]byte
	b := append(stack[:0], keyPrefix...)
	b = append(append(b, k.partition...), ':')
	b = append(append(b, epoch...), ':')
	return string(hex.AppendEncode(b, k.id[:]))
}

// checkEpoch keeps out what would change the meaning of a key or of a pattern.
func checkEpoch(epoch string) error {
	ok := epoch != "" && strings.IndexFunc(epoch, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
	}) < 0
	if !ok {
		return fmt.Errorf("the cache's epoch is %q, and must be letters, digits, '-', '.' or '_'", epoch)
	}
	return nil
}
