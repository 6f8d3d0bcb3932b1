package ecs

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	api "ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// ragCache declares the cache. Where there is a Redis to share with the old service,
// the two share its keys while traffic moves.
func (w *workload) ragCache(spec *api.RAGServiceSpec) {
	r := w.rag
	if !r.hasRedis() && w.redisSidecar() == nil || strings.EqualFold(r.text(cacheOn), "false") || r.text(cacheOn) == "0" {
		return
	}
	cache := &api.Cache{Redis: &api.Redis{}}
	spec.Cache = cache
	if sidecar := w.redisSidecar(); sidecar != nil {
		w.managedRedis(cache.Redis, sidecar)
	} else {
		w.externalRedis(cache.Redis)
		cache.LegacyKeys = w.sharesKeys()
	}
	r.use(cacheOn, "spec.cache", "")
	if ttl, ok := numberIn(r.text(cacheTTL), 1, 720*3600); ok {
		cache.TTL = seconds(ttl)
		r.use(cacheTTL, "spec.cache.ttl", "")
	}
	if size, ok := numberIn(r.text(redisPool), 1, 1000); ok {
		cache.Redis.PoolSize = int32(size)
		r.use(redisPool, "spec.cache.redis.poolSize", "")
	}
	if threshold, ok := numberIn(r.text(semanticThreshold), 0, 1); ok {
		cache.Semantic = &api.SemanticCache{Threshold: api.Ratio(decimal(threshold))}
		r.use(semanticThreshold, "spec.cache.semantic.threshold", "")
	}
}

// sharesKeys reports whether the old service's keys can be shared. The settings
// rarely say; that of the guide writes cache:{query}.
func (w *workload) sharesKeys() bool {
	r := w.rag
	prefix := r.text(cachePrefix)
	if !r.has(cachePrefix) {
		w.task(ledger.Task{
			Step:    ledger.StepPrepare,
			Title:   "Check that the old service writes the keys cache:{query}",
			Detail:  "The RAGService " + w.name + " reads and writes them as well (cache.legacyKeys), so that both answer from one cache while traffic moves. Where the old service has other keys, set it to false. Switch it off once the old service is gone.",
			Command: "redis-cli --scan --pattern 'cache:*' | head",
		})
		return true
	}
	if strings.TrimSuffix(prefix, ":") == "cache" {
		r.use(cachePrefix, "spec.cache.legacyKeys", "")
		return true
	}
	return false
}

// managedRedis replaces a Redis that ran beside the old process, and was as empty
// after each deployment.
func (w *workload) managedRedis(redis *api.Redis, sidecar *container) {
	redis.Managed = &api.ManagedRedis{}
	if memory := cmp.Or(parseMemory(sidecar.node.Get("memory")), parseMemory(sidecar.node.Get("memoryReservation"))); memory >= 32 {
		redis.Managed.Memory = mebibytes(memory)
	}
	for _, p := range []part{redisURL, redisHost, redisPort} {
		r := w.rag
		if s := r.take(p); s != nil {
			w.claim(s.node, ledger.Approximated, w.field("spec.cache.redis.managed"), "The Redis beside the process becomes one for all replicas, which the operator runs.", "")
		}
	}
}

func (w *workload) externalRedis(redis *api.Redis) {
	r := w.rag
	external := &api.ExternalRedis{}
	redis.External = external
	if r.has(redisURL) {
		w.redisFromURL(external)
	} else {
		w.redisFromHost(external)
	}
	const field = "spec.cache.redis.external."
	if external.Password == nil {
		external.Password = r.secret(redisPassword, field+"password")
	}
	if user := r.text(redisUser); user != "" && len(user) <= 253 {
		external.Username = user
		r.use(redisUser, field+"username", "")
	}
	if number, ok := numberIn(r.text(redisNumber), 0, 15); ok {
		external.Database = int32(number)
		r.use(redisNumber, field+"database", "")
	}
	if isOn(r.text(redisTLS)) {
		external.TLS = &api.RedisTLS{}
		r.use(redisTLS, field+"tls", "")
	}
	if isOn(r.text(redisCluster)) {
		external.Mode = api.RedisCluster
		external.Database = 0
		r.use(redisCluster, field+"mode", "")
	}
}

func isOn(text string) bool {
	switch strings.ToLower(text) {
	case "true", "1", "yes", "on":
		return true
	}
	return false
}

func (w *workload) redisFromHost(external *api.ExternalRedis) {
	r := w.rag
	host, port := r.text(redisHost), cmp.Or(r.text(redisPort), "6379")
	address := host
	if !strings.Contains(host, ":") {
		address = host + ":" + port
	}
	if redisAddress.MatchString(address) && host != "" {
		external.Addresses = []string{address}
		r.use(redisHost, "spec.cache.redis.external.addresses", "")
		r.use(redisPort, "spec.cache.redis.external.addresses", "")
		return
	}
	w.unknownRedis(external, redisHost)
}

// redisFromURL reads the address out of a URL. A password in it is never copied.
func (w *workload) redisFromURL(external *api.ExternalRedis) {
	r := w.rag
	s := r.parts[redisURL]
	u, err := url.Parse(s.value)
	if s.valueFrom != nil || err != nil || u.Hostname() == "" {
		w.unknownRedis(external, redisURL)
		return
	}
	const field = "spec.cache.redis.external."
	external.Addresses = []string{fmt.Sprintf("%s:%s", u.Hostname(), cmp.Or(u.Port(), "6379"))}
	if !redisAddress.MatchString(external.Addresses[0]) {
		w.unknownRedis(external, redisURL)
		return
	}
	if u.Scheme == "rediss" {
		external.TLS = &api.RedisTLS{}
	}
	if number, err := strconv.Atoi(strings.Trim(u.Path, "/")); err == nil && number >= 0 && number <= 15 {
		external.Database = int32(number)
	}
	external.Username = u.User.Username()
	if _, set := u.User.Password(); set {
		ref := w.secrets.fill("redis-password", "the password in "+s.name+", which stood in the task definition in plain text")
		external.Password = &ref
		if r.take(redisURL) != nil {
			w.claim(s.node, ledger.Person, w.field(field+"addresses, password"), "Holds a password in plain text: not copied. Change it, and put the new one into the Secret "+ref.Name+".", ledger.StepSecrets)
		}
		return
	}
	r.use(redisURL, field+"addresses", "")
}

// unknownRedis stands in for an address that is in a Secret.
func (w *workload) unknownRedis(external *api.ExternalRedis, p part) {
	external.Addresses = []string{"redis-address-to-fill-in:6379"}
	w.rag.refuse(p, "The address is needed in the RAGService itself, spec.cache.redis.external.addresses; a password in it belongs into a Secret of its own, external.password.")
	w.fillIn("spec.cache.redis.external.addresses", external.Addresses[0], "The address is in a Secret or is none.")
}

// defaultContextQuery is that of the migration guide's service.
const defaultContextQuery = "SELECT * FROM user_preferences WHERE user_id = $1 AND active"

// ragUserContext declares the look-up of the user, where there is a database that
// is not the vector store.
func (w *workload) ragUserContext(spec *api.RAGServiceSpec) {
	r := w.rag
	if !r.hasDatabase() || spec.VectorStore.PGVector != nil && !r.has(contextQuery) && !r.has(contextTable) {
		return
	}
	query := defaultContextQuery
	switch text := r.text(contextQuery); {
	case strings.Contains(text, "$1") && len(text) <= 8192:
		query = text
		r.use(contextQuery, "spec.userContext.postgres.query", "")
	case tableName.MatchString(r.text(contextTable)):
		query = "SELECT * FROM " + r.text(contextTable) + " WHERE user_id = $1"
		r.use(contextTable, "spec.userContext.postgres.query", "the user's id is in the column user_id.")
		w.fillIn("spec.userContext.postgres.query", "a guess from the table's name", "The query is in the old service's code.")
	default:
		w.fillIn("spec.userContext.postgres.query", "the migration guide's", "The query is in the old service's code. It needs $1 for the user's id, and columns that are fit for the prompt.")
	}
	dsn := w.databaseDSN("spec.userContext.postgres.dsn")
	spec.UserContext = &api.UserContext{Postgres: api.PostgresUserContext{DSN: dsn, Query: query}}
}

// template is a piece of a composed secret: words, or a part's value.
type template struct {
	text     string
	part     part
	fallback string
	escape   bool // for a URL
}

// databaseDSN returns the connection string: one variable's, or one composed of
// several.
func (w *workload) databaseDSN(field string) api.SecretKey {
	if w.rag.has(databaseURL) {
		return *w.rag.secret(databaseURL, field)
	}
	return w.composeSecret("database-dsn", "postgres://user:password@host:5432/database", []template{
		{text: "postgres://"}, {part: databaseUser, fallback: "postgres", escape: true}, {text: ":"}, {part: databasePassword, escape: true},
		{text: "@"}, {part: databaseHost}, {text: ":"}, {part: databasePort, fallback: "5432"}, {text: "/"}, {part: databaseName, fallback: "postgres"},
	}, field)
}

// composeSecret writes a secret from several settings. External Secrets can do that
// from those it reads; where a piece is missing or stood in plain text and is a
// secret, a person has to.
func (w *workload) composeSecret(key, form string, pieces []template, field string) api.SecretKey {
	var text strings.Builder
	possible, remote := true, false
	for _, piece := range pieces {
		rendered, fromRemote, ok := w.renderPiece(piece, field)
		text.WriteString(rendered)
		possible = possible && ok
		remote = remote || fromRemote
	}
	if possible && remote {
		if ref, ok := w.secrets.compose(key, text.String()); ok {
			return ref
		}
	}
	return w.secrets.fill(key, "of the form "+form)
}

// renderPiece writes one piece as a template of External Secrets has it, and claims
// its setting. ok is false where the piece can't be had that way.
func (w *workload) renderPiece(piece template, field string) (text string, remote, ok bool) {
	s := w.rag.parts[piece.part]
	switch {
	case piece.part == "":
		return piece.text, false, true
	case s == nil:
		return piece.fallback, false, piece.fallback != ""
	case s.isSecret() || isSecretPart(piece.part):
		ref := w.rag.secret(piece.part, field)
		if piece.escape {
			return fmt.Sprintf("{{ index . %q | urlquery }}", ref.Key), true, s.valueFrom != nil
		}
		return fmt.Sprintf("{{ index . %q }}", ref.Key), true, s.valueFrom != nil
	}
	w.rag.use(piece.part, field, "")
	if piece.escape {
		return url.QueryEscape(s.value), false, !isPlaceholder(s.value)
	}
	return s.value, false, !isPlaceholder(s.value)
}

func isSecretPart(p part) bool { return p == databasePassword || p == openSearchPassword }
